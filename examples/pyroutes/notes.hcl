app "notes" {
  path = "/var/wsgid/notes"

  sockets {
    http {
      listen = "127.0.0.1:8000"
    }
  }
}
