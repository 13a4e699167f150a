# On one host: when it dies, another one starts it some seconds later.
app "solo" {
  path     = "${env("APPS")}/solo"
  wsgi_app = "where:application"
  user     = "www-data"
  env      = { HOST = env("HOST") }

  backends {
    region = "eu1"
  }

  sockets {
    http {
      listen = "*:8002" # each host has it: the balancer brings clients here
    }
  }
}
