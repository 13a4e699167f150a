# A Django project with a database, and two commands of its own in each deploy.
app "guestbook" {
  loader = "django"
  env    = { SECRET_KEY = trimspace(file("${env("WSGID_DEMO")}/secret_key")) }

  deploy {
    repository = "file://${env("WSGID_DEMO")}/src/guestbook"

    stage "migrate" {
      command = ["python", "manage.py", "migrate", "--noinput"]
    }
    stage "static" {
      command = ["python", "manage.py", "collectstatic", "--noinput"]
    }
  }

  # What collectstatic has gathered in the release that serves, without Python.
  static {
    url = "/static/"
    dir = "app/collected"
  }

  database { engine = "sqlite" } # or postgresql

  health { path = "/healthz" }

  environment "dev" {
    sockets {
      http { listen = "127.0.0.1:8601" }
    }
    workers { count = 1 }
  }
}
