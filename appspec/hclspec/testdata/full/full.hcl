# Every attribute and block of the language, none at its default.
app "full" {
  path        = "/srv/full/"
  enabled     = false
  loader      = "BlogLoader"
  hosts       = ["blog.example.org", "*.Blog.example.org.", "bücher.example"]
  wsgi_app    = "blog.wsgi:make_app()"
  code        = "src"
  own_code    = false
  loader_dirs = ["loaders", "/srv/loaders"]
  middleware  = ["blog.mw:Timing", "blog.mw.Auth"]
  python      = "/usr/bin/python3.11"
  virtualenv  = "venv"
  user        = "blog"
  group       = "www-data"
  chroot      = true
  debug       = true
  umask       = "0027"
  no_new_privileges = true
  script_name = "/blog"
  working_directory = "app/var"
  env_file = ["-/etc/blog/env"]
  server_header = false
  env         = { TZ = "UTC", PORT = 8000, RATIO = 0.5, "odd-name" = "x" }

  tls {
    cert = "/etc/ssl/hosts.pem"
    key  = "/etc/ssl/hosts.key"
  }
  sockets {
    http {
      listen = "127.0.0.1:8443"
      tls {
        cert = "/etc/ssl/blog.pem"
        key  = "/etc/ssl/blog.key"
      }
    }
    http {
      listen = "unix:/run/blog.sock"
      mode   = "0600"
      owner  = "www-data"
      group  = "www"
    }
    http {
      listen = "systemd:blog"
    }
    mongrel2 {
      recv   = "tcp://127.0.0.1:9997"
      send   = "tcp://127.0.0.1:9996"
      chroot = "/var/mongrel2"
    }
  }

  workers {
    min             = 0
    max             = 8
    threads         = 4
    request_timeout = "1m30s"
    start_timeout   = "10s"
    reserve         = 2
    start_nice      = 5
    stop_timeout    = "20s"
    idle_timeout    = "1h"
    max_requests    = 1000
    max_memory      = "512MiB"
    max_age         = "24h"
    preload         = true
    keep_alive      = false
    queue           = 10
    queue_timeout   = "1500ms"
  }

  django {
    settings = "blog.settings"
    overrides = {
      DEBUG      = false
      ADMINS     = [["me", "me@example.org"]]
      SITE_ID    = 3
      BIG        = 12345678901234567890123
      RATIO      = 0.25
      NOTHING    = null
      DATABASES  = { default = { NAME = "x", PORT = 5432 } }
      "DOTTED.X" = "y"
    }
  }

  request {
    max_body           = "1GB"
    max_line           = "8KiB"
    max_head           = "64KiB"
    max_headers        = 100
    header_timeout     = "5s"
    body_timeout       = "30s"
    buffering          = false
    keep_alive_timeout = "15s"
    response_buffer    = "32MiB"
    spool              = "2GiB"
    min_rate           = 500
    trusted_proxies    = ["10.0.0.0/8", "::1/128", "unix"]
    trusted_headers    = ["x-forwarded-for", "x-forwarded-host"]
  }
  static {
    url     = "/static/"
    dir     = "app/static"
    max_age = "10m"
  }
  static {
    url = "/media/"
    dir = "shared/media"
  }
  backends {
    region = "eu1"
    count  = 2
  }
  backends {
    region = "us1"
  }

  health {
    path     = "/healthz"
    host     = "blog.example.org:8000"
    interval = "30s"
    timeout  = "5s"
    failures = 2
  }
  restart {
    min_delay   = "2s"
    max_delay   = "30s"
    reset_after = "5m"
  }
  limits {
    open_files    = 4096
    processes     = 512
    address_space = "2GiB"
    memory        = "1GiB"
    cpu           = 1.5
    tasks         = 100
  }
  log {
    target   = "journal"
    access   = true
    format   = "json"
    max_size = 1048576
    keep     = 0
  }
  process "celery" {
    command      = ["celery", "-A", "blog", "worker"]
    count        = 2
    stop_signal  = "INT"
    stop_timeout = "10m"
  }
  process "bot" {
    command = ["python", "-m", "blog.bot"]
  }
  schedule "nightly" {
    cron     = "30 3 * * 1-5"
    command  = ["python", "manage.py", "clearsessions"]
    timeout  = "10m"
    overlap  = true
    timezone = "UTC"
  }
  schedule "hourly" {
    cron    = "@hourly"
    command = ["./hourly"]
  }
  deploy {
    repository   = "git@git.example.org:crito/blog.git"
    branch       = "main"
    commit       = "v1.2"
    directory    = "./src/"
    requirements = []
    install      = false
    wheels       = "/srv/wheels"
    index        = ""
    ssh_key      = "/etc/blog/deploy_key"
    known_hosts  = "/etc/blog/known_hosts"
    shared       = ["media", "var/db/"]
    submodules   = true
    lfs          = true
    keep         = 3
    nice         = 15
    env          = { STATIC_ROOT = "static" }
    timeout      = "5m"
    stage "migrate" {
      command = ["python", "manage.py", "migrate", "--noinput"]
      timeout = "1m"
    }
    stage "warm" {
      command = ["./warm"]
      when    = "after"
    }
    stage "assets" {
      command   = ["make", "assets"]
      each_host = true
    }
  }
  database {
    engine = "postgresql"
    name   = "blog"
    owner  = "crito"
    server = "db.example.org:5432"
    admin  = "postgres:x"
  }
}
