# One port for all apps: each has the names of its hosts. Names that end with
# .localhost lead to this machine, for browsers without any setup.
gate {
  http {
    listen = "127.0.0.1:8080"
  }
  http {
    listen = "127.0.0.1:8443"
    tls {
      cert = "${env("WSGID_DEMO")}/ca/site.pem"
      key  = "${env("WSGID_DEMO")}/ca/site.key"
    }
  }
}
