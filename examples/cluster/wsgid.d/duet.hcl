# On two of the hosts, as pair.
app "duet" {
  path     = "${env("APPS")}/duet"
  wsgi_app = "where:application"
  user     = "www-data"
  env      = { HOST = env("HOST") }

  backends {
    region = "eu1"
    count  = 2
  }

  sockets {
    http {
      listen = "*:8003" # each host has it: the balancer brings clients here
    }
  }
}
