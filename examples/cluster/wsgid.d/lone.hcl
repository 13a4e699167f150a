# On one host, as solo.
app "lone" {
  path     = "${env("APPS")}/lone"
  wsgi_app = "where:application"
  user     = "www-data"
  env      = { HOST = env("HOST") }

  backends {
    region = "eu1"
  }

  sockets {
    http {
      listen = "*:8004" # each host has it: the balancer brings clients here
    }
  }
}
