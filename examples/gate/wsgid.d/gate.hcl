# One address for three sites: who asks for which name gets which app.
gate {
  http {
    listen = "127.0.0.1:8080"
  }
  http {
    listen = "127.0.0.1:8443"
    tls { # of all sites that have no certificate of their own
      cert = "${env("SITES")}/ca/site.pem"
      key  = "${env("SITES")}/ca/site.key"
    }
  }

  default = "wiki" # all names that no app has; without it they get 421
}
