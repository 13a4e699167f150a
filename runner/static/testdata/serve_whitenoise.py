"""A folder at /static/ by WhiteNoise: serve_whitenoise.py SOCKET FOLDER, until it is killed."""
import sys
from socketserver import UnixStreamServer
from wsgiref.simple_server import WSGIRequestHandler

from whitenoise import WhiteNoise


def nothing(environ, start_response):
    start_response("404 Not Found", [("Content-Length", "0")])
    return []


class Handler(WSGIRequestHandler):
    def address_string(self):
        return ""

    def log_message(self, *args):
        pass


class Server(UnixStreamServer):
    base_environ = {"SERVER_NAME": "x", "SERVER_PORT": "80", "SCRIPT_NAME": ""}
    app = WhiteNoise(nothing, root=sys.argv[2], prefix="static", max_age=3600)

    def get_app(self):
        return self.app

    def get_request(self):
        connection, _ = super().get_request()
        return connection, ("", 0)  # a client of a unix socket has no address


Server(sys.argv[1], Handler).serve_forever()
