# An app that sees its folder as / and nothing else of the host but, read-only,
# what Python needs. The daemon has to be root.
app "jail" {
  path     = "/var/wsgid/jail"
  chroot   = true
  user     = "jail"
  group    = "jail"
  wsgi_app = "jail:application" # /app/jail.py for the app itself

  loader_dirs = ["loaders"] # inside of the app folder

  sockets {
    http {
      listen = "127.0.0.1:8005"
    }
  }

  limits {
    open_files = 1024
    processes  = 64
    memory     = "512MiB" # memory, cpu and tasks hold where systemd runs the host
    cpu        = 0.5
    tasks      = 64
  }
}
