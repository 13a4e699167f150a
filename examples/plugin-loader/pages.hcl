# loader = "auto", which is the default, asks the plugin.
app "pages" {
  path = "/var/wsgid/pages"

  sockets {
    http {
      listen = "127.0.0.1:8000"
    }
  }
}
