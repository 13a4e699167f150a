# The loader finds the project; the folder's own django.json is left alone, as
# this spec has no django.overrides.
app "guestbook" {
  path = "/var/wsgid/guestbook"

  sockets {
    http {
      listen = "127.0.0.1:8000"
    }
  }
}
