# A plain WSGI application, served over HTTP.
app "hello" {
  wsgi_app = "hello:application"
  hosts    = ["hello.localhost"]    # by this name it is at the gate, too: gate.hcl
  env      = { GREETING = "Hello" } # edit it: new workers are ready before the old ones leave

  sockets {
    http {
      listen = "127.0.0.1:8000"
    }
  }

  workers {
    count = 2 # edit it: the running workers stay
  }
}
