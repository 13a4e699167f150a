#!/usr/bin/env bash
# WhiteNoise 6.0.0 behind nginx 1.22.1 (Debian 12: python3-whitenoise 6.0.0-3, nginx 1.22.1-9+deb12u11)
#
# Guess: a browser that has a style sheet of WhiteNoise asks again with the tag that it was
# given, and is told 304: RFC 9110 compares If-None-Match weakly, and a list may be sent.
# What happens: nginx compresses the answer on its way, and makes its tag weak, W/"...". WhiteNoise
# compares what comes back letter by letter with its own: it sends the whole file, each time. A
# list in which its tag stands is no match either. And the form that WhiteNoise found compressed on
# the disk has the tag of the plain one, which the RFC forbids to a strong tag.
# Who is hurt: every returning visitor, and nobody is told: no file is ever wrong. A site that
# goes over to `static` here is told 304 for the weak tag and in a list, and each form has a tag
# of its own.
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-whitenoise=6.0.0-3 nginx=1.22.1-9+deb12u11
mkdir files temp
head -c 4000 /dev/zero | tr '\0' 'a' >files/site.css
gzip -k files/site.css
cat >serve.py <<'PY'
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from whitenoise import WhiteNoise
class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass
app = WhiteNoise(lambda environ, start_response: [], root='files')
make_server('127.0.0.1', int(sys.argv[1]), app, Server, Quiet).serve_forever()
PY
behind=$(free_port)
/usr/bin/python3 serve.py "$behind" &
port=$(free_port)
cat >nginx.conf <<CONF
daemon off;
pid $WORK/nginx.pid;
error_log $WORK/error.log;
events {}
http {
  access_log off;
  client_body_temp_path temp/b; proxy_temp_path temp/p; fastcgi_temp_path temp/f; uwsgi_temp_path temp/u; scgi_temp_path temp/s;
  gzip on;
  gzip_types text/css;
  server {
    listen 127.0.0.1:$port;
    location / { proxy_pass http://127.0.0.1:$behind; proxy_set_header Accept-Encoding ""; }
  }
}
CONF
root/usr/sbin/nginx -p "$WORK" -c nginx.conf 2>/dev/null &
trap 'kill %1 %2; wait; rm -rf "$WORK"' EXIT
ask() { # PORT HEADER…: the status, and the tag
  local headers=()
  for h in "${@:2}"; do headers+=(-H "$h"); done
  curl -sS --retry 20 --retry-connrefused --retry-delay 1 --noproxy '*' -D head -o body -w '%{http_code}' "${headers[@]}" "http://127.0.0.1:$1/site.css"
}
tag() { sed -n 's/\r$//; s/^[Ee][Tt]ag: //p' head; }
expect 'the first time' 200 "$(ask "$behind")"
own=$(tag)
expect 'its own tag again' 304 "$(ask "$behind" "If-None-Match: $own")"
expect 'its own tag, in a list' 200 "$(ask "$behind" "If-None-Match: \"other\", $own")"
expect 'the compressed form of the disk' 200 "$(ask "$behind" 'Accept-Encoding: gzip')"
expect 'has the same tag' "$own" "$(tag)"
expect 'through nginx' 200 "$(ask "$port" 'Accept-Encoding: gzip')"
weak=$(tag)
expect 'its tag is made weak' "W/$own" "$weak"
expect 'that tag again' 200 "$(ask "$port" 'Accept-Encoding: gzip' "If-None-Match: $weak")"
