#!/usr/bin/env bash
# gunicorn 20.1.0 (Debian 12: gunicorn and python3-gunicorn 20.1.0-6+deb12u1)
#
# Guess: forwarded_allow_ips says whose X-Forwarded-Proto counts, and to count it is to
# count X-Forwarded-For too: the app sees the client's scheme and the client's address.
# What happens: who comes by a unix socket is believed whatever forwarded_allow_ips says,
# also where it names another machine alone. What is believed is the scheme and nothing
# else: REMOTE_ADDR is the proxy's address, and empty behind a unix socket.
# Who is hurt: who moves such an app to a server that believes nobody unasked: the app
# makes links with http:// and its logins fail, and nothing in gunicorn's configuration
# said that a header counted. And who reads REMOTE_ADDR behind a unix socket.
. "$(dirname "$(readlink -f "$0")")/lib"
debian gunicorn=20.1.0-6+deb12u1 python3-gunicorn=20.1.0-6+deb12u1
cat >app.py <<'PY'
def app(environ, start_response):
    start_response('200 OK', [])
    return [('%s %r' % (environ['wsgi.url_scheme'], environ['REMOTE_ADDR'])).encode()]
PY
# What an app sees behind a proxy on this machine; $1 is bind, the rest is curl's.
seen() {
  /usr/bin/python3 root/usr/bin/gunicorn --bind "$1" --forwarded-allow-ips 192.0.2.1 app:app >gunicorn.log 2>&1 &
  for _ in $(seq 200); do grep -q 'Booting worker' gunicorn.log && break; sleep 0.1; done
  curl -sS --noproxy '*' --retry 20 --retry-connrefused --retry-delay 1 -H 'X-Forwarded-Proto: https' -H 'X-Forwarded-For: 198.51.100.7' "${@:2}"
  kill $!
  wait
}
port=$(free_port)
expect 'version' 'gunicorn (version 20.1.0)' "$(/usr/bin/python3 root/usr/bin/gunicorn --version)"
expect 'by TCP, from an address that is not allowed' "http '127.0.0.1'" "$(seen "127.0.0.1:$port" "http://127.0.0.1:$port/")"
expect 'by a unix socket' "https ''" "$(seen "unix:$WORK/socket" --unix-socket socket http://localhost/)"
