"""The smallest useful WSGI application: it says which worker answered."""

import os

GREETING = os.environ.get("GREETING", "Hello")


def application(environ, start_response):
    text = "%s from worker %d: %s %s\n" % (
        GREETING,
        os.getpid(),
        environ["REQUEST_METHOD"],
        environ["PATH_INFO"],
    )
    body = text.encode("utf-8")
    start_response(
        "200 OK",
        [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
        ],
    )
    return [body]
