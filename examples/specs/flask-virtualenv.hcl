# A Flask app with a virtualenv of its own, made by a factory.
#
#     python3 -m venv /srv/notes/venv
#     /srv/notes/venv/bin/pip install flask
#
# The code lies in /srv/notes/app/notes/__init__.py:
#
#     def create_app():
#         app = Flask(__name__)
#         …
#         return app
app "notes" {
  path       = "/srv/notes"
  virtualenv = "venv" # relative to the app folder; its Python wins over python
  wsgi_app   = "notes:create_app()"

  # Callables that wrap the application, the first is the outermost.
  middleware = ["notes.middleware:RequestId"]

  env = {
    FLASK_SECRET_KEY = trimspace(file("/srv/notes/secret_key"))
    NOTES_WORKERS    = num_cpus()
  }

  sockets {
    http {
      listen = "127.0.0.1:8002"
    }
  }

  workers {
    count = num_cpus()
  }

  log {
    access = true
    format = "json"
  }
}
