# What every app of this directory takes, unless its own block says otherwise:
# each attribute and block of an app but path, wsgi_app and sockets, and root.
# env and django.overrides merge key by key, blocks attribute by attribute, all
# else is replaced.
defaults {
  root = "/var/wsgid" # the folder of an app without path is <root>/<name>

  env = {
    LANG = "C.UTF-8"
  }

  workers {
    stop_timeout = "30s"
  }

  restart {
    min_delay = "1s"
    max_delay = "60s"
  }

  log {
    max_size = "64MiB"
    keep     = 5
  }
}
