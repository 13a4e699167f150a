# One address for three sites: who asks for which name gets which app.
gate {
  http {
    listen = "127.0.0.1:8080"
  }

  default = "wiki" # all names that no app has; without it they get 421
}
