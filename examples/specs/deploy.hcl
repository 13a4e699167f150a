# An app whose code comes from git, by the command deploy, with a database and
# two commands of its own.
app "guide" {
  wsgi_app = "main:application"
  sockets {
    http { listen = "127.0.0.1:8500" }
  }
  deploy {
    repository   = "https://git.example.org/crito/wsgiapp.git"
    branch       = "main"
    directory    = "wsgiapp"
    requirements = ["requirements.txt"]
    shared       = ["media"]
    stage "migrate" {
      command = ["python", "manage.py", "migrate", "--noinput"]
    }
    stage "warm" {
      command = ["python", "-m", "guide.warm"]
      when    = "after"
      timeout = "1m"
    }
  }
  database { engine = "postgresql" }
}
