"""Says which version of it answers, with what package, and to what."""
import wheel0

VERSION = "VERSION"


def application(environ, start_response):
    body = ("%s %s %s\n" % (VERSION, wheel0.__name__, environ["PATH_INFO"])).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
