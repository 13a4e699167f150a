"""What make bench asks of every server: one module, five answers."""

import os
import time

HELLO = b"Hello, world!\n"
MEGABYTE = b"x" * (1 << 20)


def answer(start_response, body):
    start_response(
        "200 OK",
        [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))],
    )
    return [body]


def application(environ, start_response):
    path = environ.get("PATH_INFO", "/")
    if path == "/big":
        return answer(start_response, MEGABYTE)
    if path == "/upload":
        size = 0
        while True:
            piece = environ["wsgi.input"].read(1 << 16)
            if not piece:
                break
            size += len(piece)
        return answer(start_response, b"%d\n" % size)
    if path == "/file":
        file = open(os.environ["BENCH_FILE"], "rb")
        size = os.fstat(file.fileno()).st_size
        start_response(
            "200 OK",
            [
                ("Content-Type", "application/octet-stream"),
                ("Content-Length", str(size)),
            ],
        )
        return environ["wsgi.file_wrapper"](file, 1 << 16)
    if path.startswith("/wait/"):  # so many milliseconds, as for a database
        time.sleep(int(path[6:]) / 1000)
    return answer(start_response, HELLO)
