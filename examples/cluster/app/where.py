"""Says on which host it runs."""
import os


def application(environ, start_response):
    host = os.environ["HOST"].encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(host)))])
    return [host]
