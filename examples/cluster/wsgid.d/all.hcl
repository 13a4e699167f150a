# Without backends: every host runs it.
app "all" {
  path     = "${env("APPS")}/all"
  wsgi_app = "where:application"
  user     = "www-data"
  env      = { HOST = env("HOST") }

  sockets {
    http {
      listen = "*:8005" # each host has it: the balancer brings clients here
    }
  }
}
