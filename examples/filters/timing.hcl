app "timing" {
  path     = "/var/wsgid/timing"
  wsgi_app = "hello:application"
  env      = { SLOW_SECONDS = "0.2" }

  sockets {
    http {
      listen = "127.0.0.1:8000"
    }
  }
}
