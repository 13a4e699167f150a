#!/usr/bin/env bash
# gunicorn 20.1.0 (Debian 12: gunicorn and python3-gunicorn 20.1.0-6+deb12u1), uWSGI 2.0.21 (uwsgi-core 2.0.21-5.1)
#
# Guess: wsgi.file_wrapper(f) sends what f.read() gives: by a system call where f is a plain
# file, and by reading it where it is none, as PEP 3333 asks.
# What happens: both take the number that f.fileno() gives and send what lies there on the disk.
# gzip.open(), bz2.open(), lzma.open() and whatever passes fileno() on give the number of the file
# that they decode: clients get the compressed bytes, of which no header tells (of gzip.open() gunicorn gives
# nothing: it stumbles over GzipFile.mode, a number before Python 3.13). A file whose read() changes what
# the disk holds is sent unchanged, too.
# Who is hurt: views that hand out a compressed log or dump as text, or decrypt a file on the way:
# right under the development server and in tests, garbage in production.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >app.py <<'PY'
import bz2, gzip, io

for kind in (gzip, bz2):
    with kind.open(kind.__name__, "wb") as f:
        f.write(b"what read() gives\n")

class Upper(io.FileIO):
    def read(self, size=-1):
        return super().read(size).upper()

with open("plain", "w") as f:
    f.write("what read() gives\n")

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    path = environ["PATH_INFO"].strip("/")
    f = Upper("plain") if path == "upper" else {"gzip": gzip, "bz2": bz2}[path].open(path)
    return environ["wsgi.file_wrapper"](f)

application = app
PY
# seen: what a client gets of each.
seen() {
  get upper -o upper.out # the server is there
  : >gzip.out
  get gzip -o gzip.out 2>gzip.err || true
  get bz2 -o bz2.out
  printf 'gzip %s, bz2 %s, upper %s' "$(head -c2 gzip.out | od -An -tx1 | tr -d ' ')" "$(head -c3 bz2.out)" "$(cat upper.out)"
}
(
  export PYTHONDONTWRITEBYTECODE=1
  debian gunicorn=20.1.0-6+deb12u1 python3-gunicorn=20.1.0-6+deb12u1
  port=$(free_port)
  /usr/bin/python3 root/usr/bin/gunicorn -b "127.0.0.1:$port" app:app >gunicorn.log 2>&1 &
  trap 'kill %%; wait' EXIT
  expect 'gunicorn' '20.1.0' "$(/usr/bin/python3 -c 'import gunicorn; print(gunicorn.__version__)')"
  expect 'gunicorn sends' 'gzip , bz2 BZh, upper what read() gives' "$(seen)"
)
rm -rf debs root
uwsgi_serves
expect 'uWSGI sends' 'gzip 1f8b, bz2 BZh, upper what read() gives' "$(seen)"
