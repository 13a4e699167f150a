"""An application behind mongrel2: it counts and hashes what it is sent.

Large bodies arrive as a file that mongrel2 wrote; here they are read from
wsgi.input like any other.
"""

import hashlib
import os


def application(environ, start_response):
    digest = hashlib.sha256()
    size = 0
    while True:
        piece = environ["wsgi.input"].read(65536)
        if not piece:
            break
        size += len(piece)
        digest.update(piece)
    lines = [
        "worker: %d" % os.getpid(),
        "request: %s %s" % (environ["REQUEST_METHOD"], environ["PATH_INFO"]),
        "client: %s" % environ["REMOTE_ADDR"],
        "body: %d bytes" % size,
        "sha256: %s" % digest.hexdigest(),
    ]
    body = ("\n".join(lines) + "\n").encode("latin-1")
    start_response(
        "200 OK",
        [
            ("Content-Type", "text/plain; charset=latin-1"),
            ("Content-Length", str(len(body))),
        ],
    )
    return [body]
