"""Measures what a request costs a worker: python3 testdata/bench.py [PYTHON [N]]

It starts real workers on small applications, plays the master, and prints the
CPU time (user and system) of the worker per request, in µs. Not run by the
tests.
"""

import marshal
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "..", "py", "wsgid_worker.py")

APPS = {
    "hello": """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12")])
    return [b"Hello world\\n"]
""",
    "hello without length": """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello world\\n"]
""",
    "eight headers": """
HEADERS = [("X-Header-%d" % i, "a value of %d" % i) for i in range(7)]
def application(environ, start_response):
    start_response("200 OK", [*HEADERS, ("Content-Length", "12")])
    return [b"Hello world\\n"]
""",
    "iterable": """
class Result:
    def __iter__(self):
        return iter((b"Hello world\\n",))
    def close(self):
        pass
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12")])
    return Result()
""",
    "stream of 10": """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    for _ in range(10):
        yield b"x" * 100
""",
    "1 MB": """
BODY = b"x" * 1000000
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [BODY]
""",
}

ENVIRON = {
    "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/hello", "QUERY_STRING": "a=1",
    "SERVER_NAME": "localhost", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "40000", "wsgi.url_scheme": "http",
    "REQUEST_URI": "/hello?a=1", "HTTP_HOST": "localhost:8000", "HTTP_ACCEPT": "*/*",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate", "HTTP_ACCEPT_LANGUAGE": "en",
    "HTTP_CONNECTION": "keep-alive",
}


def run(python, source, n):
    """Returns the CPU seconds of a worker that served n requests."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(folder + "/app")
        with open(folder + "/app/web.py", "w") as f:
            f.write(source)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        table = os.open(folder + "/table", os.O_RDWR | os.O_CREAT)
        os.ftruncate(table, 4096)

        def place():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        import fcntl
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (table, theirs.fileno())]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        child = subprocess.Popen([python, "-u", SCRIPT, "bench"], cwd=folder, close_fds=False,
                                 preexec_fn=place, stdin=subprocess.DEVNULL)
        config = {"app": "bench", "app_path": folder, "wsgi_app": "web:application", "threads": 1, "umask": 0o22}
        ours.send(struct.pack("<BBxxI", ord("I"), 0, 0) + marshal.dumps(config, 2))
        assert ours.recv(1 << 18)[:1] == b"k"
        environ = marshal.dumps(ENVIRON, 2)
        message = struct.pack("<BBxxII", ord("r"), 0, 7, len(environ)) + environ
        buffer = bytearray(1 << 18)
        for _ in range(n):
            ours.send(message)
            while True:
                ours.recv_into(buffer)
                if buffer[0] in b"ea" or buffer[1]:
                    break
        ours.send(struct.pack("<BBxxI", ord("q"), 0, 0))
        assert child.wait() == 0
        for fd in high + [table]:
            os.close(fd)
        theirs.close()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime


def main():
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 30000
    for name, source in APPS.items():
        user0, system0 = run(python, source, 1)
        count = n if "MB" not in name else n // 30
        user, system = run(python, source, count)
        print("%-22s %6.2f µs user %6.2f µs system" % (
            name, (user - user0) / count * 1e6, (system - system0) / count * 1e6))


main()
