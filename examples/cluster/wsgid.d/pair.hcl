# On two of the hosts: when one dies, the balancer asks the other, and nobody waits.
app "pair" {
  path     = "${env("APPS")}/pair"
  wsgi_app = "where:application"
  user     = "www-data"
  env      = { HOST = env("HOST") }

  backends {
    region = "eu1"
    count  = 2
  }

  sockets {
    http {
      listen = "*:8001" # each host has it: the balancer brings clients here
    }
  }
}
