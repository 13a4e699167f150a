# An application behind mongrel2, which listens on http://127.0.0.1:6767/
# (see mongrel2/mongrel2.conf). recv is the handler's send_spec, send its
# recv_spec.
app "m2" {
  wsgi_app = "m2:application"
  hosts    = ["m2.localhost"] # by the gate it is reached without mongrel2

  sockets {
    mongrel2 {
      recv   = "tcp://127.0.0.1:9997"
      send   = "tcp://127.0.0.1:9996"
      chroot = "${env("WSGID_DEMO")}/mongrel2" # where the server's upload paths begin
    }
  }

  request {
    max_body = "64MiB"
  }
}
