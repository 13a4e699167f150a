# Nobody asks for it often: it has no process until somebody does.
app "wiki" {
  wsgi_app = "wiki:application"
  hosts    = ["wiki.localhost"]

  workers {
    min          = 0
    max          = 1
    idle_timeout = "1m"
  }
}
