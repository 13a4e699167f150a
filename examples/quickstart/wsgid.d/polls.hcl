# A Django project. The loader finds it; the overrides are laid over its
# settings after they were loaded.
app "polls" {
  loader = "django"
  hosts  = ["polls.localhost"]

  sockets {
    http {
      listen = "127.0.0.1:8001"
    }
  }

  workers {
    count   = 2
    threads = 2
  }

  # What collectstatic has gathered is answered without Python.
  static {
    url = "/static/"
    dir = "app/static"
  }

  django {
    overrides = {
      DEBUG         = true
      ALLOWED_HOSTS = ["127.0.0.1", ".localhost"] # a list is appended to the list in settings.py
      SECRET_KEY    = trimspace(file("${env("WSGID_DEMO")}/secret_key"))
      POLLS_TITLE   = "What do you think?" # edit it and load the page again
    }
  }
}
