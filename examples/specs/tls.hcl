# An app that speaks TLS itself. HTTP/2 comes with it. The files are read again
# when they change: a renewed certificate needs no reload.
app "api" {
  wsgi_app = "api:application"

  sockets {
    http {
      listen = "*:8443"
      tls {
        cert = "/etc/letsencrypt/live/api.example.org/fullchain.pem"
        key  = "/etc/letsencrypt/live/api.example.org/privkey.pem"
      }
    }
    http {
      listen = "127.0.0.1:8004" # plain, for checks from this host
    }
  }

  request {
    header_timeout     = "5s"
    keep_alive_timeout = "60s"
  }
}
