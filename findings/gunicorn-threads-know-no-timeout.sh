#!/usr/bin/env bash
# gunicorn 20.1.0 (Debian 12: gunicorn and python3-gunicorn 20.1.0-6+deb12u1)
#
# Guess: --timeout 2 ends a request that takes longer than two seconds, of whatever kind
# the workers are: the worker is killed and the client gets nothing.
# What happens: so it is with one thread. With --threads 2 the request is answered however
# long it takes: what gunicorn watches is the thread that hands requests out, and that one
# is never late. Nothing is said at the start, and the setting is shown as in force.
# Who is hurt: who bounds slow requests by it and later adds threads: the bound is gone, and
# requests that hang keep their threads for ever. And who moves such a number to a server
# that keeps to it: requests that were answered for years are ended.
. "$(dirname "$(readlink -f "$0")")/lib"
debian gunicorn=20.1.0-6+deb12u1 python3-gunicorn=20.1.0-6+deb12u1
cat >app.py <<'PY'
import time

def app(environ, start_response):
    time.sleep(float(environ['QUERY_STRING'] or 0))
    start_response('200 OK', [])
    return [b'answered']
PY
# What a request of six seconds gets.
told() {
  local port
  port=$(free_port)
  /usr/bin/python3 root/usr/bin/gunicorn --timeout 2 "$@" -b "127.0.0.1:$port" app:app >gunicorn.log 2>&1 &
  local pid=$!
  trap 'kill $pid' EXIT
  curl -sS --retry 20 --retry-connrefused --retry-delay 1 --noproxy '*' "http://127.0.0.1:$port/" >/dev/null 2>&1
  curl -s --noproxy '*' "http://127.0.0.1:$port/?6" || echo "curl ends with $?"
  kill "$pid"
  wait "$pid" || true
  trap - EXIT
}
expect 'version' 'gunicorn (version 20.1.0)' "$(/usr/bin/python3 root/usr/bin/gunicorn --version)"
expect 'one thread' 'curl ends with 52' "$(told)"
expect 'two threads' 'answered' "$(told --threads 2)"
expect 'gthread, one thread' 'answered' "$(told --worker-class gthread)"
