#!/usr/bin/env bash
# uWSGI 2.0.21 (Debian 12: uwsgi-core and uwsgi-plugin-python3 2.0.21-5.1)
#
# Guess: with max-requests = 5 a worker ends after five requests, as gunicorn's and
# mod_wsgi's do; fifty requests see ten workers.
# What happens: a worker that is younger than min-worker-lifetime is not replaced however
# much it has served. All fifty are answered by one process, and nothing is logged. With
# min-worker-lifetime = 0 it is as guessed. Where nothing is written it is 10 seconds; the
# pages of options say 60.
# Who is hurt: who bounds a leak by max-requests: a busy worker serves the requests of ten
# seconds, not that number. And who moves such a number elsewhere: there the workers of
# a busy app are replaced many times more often than they ever were.
. "$(dirname "$(readlink -f "$0")")/lib"
uwsgi
cat >app.py <<'PY'
import os


def application(environ, start_response):
    start_response('200 OK', [])
    return [b'%d\n' % os.getpid()]
PY
port=$(free_port)
# How many processes answered fifty requests, one after another.
processes() {
  cat >app.ini <<INI
[uwsgi]
plugin = $plugin
http-socket = 127.0.0.1:$port
wsgi-file = app.py
master = true
processes = 1
max-requests = 5
$1
INI
  root/usr/bin/uwsgi-core --ini app.ini >uwsgi.log 2>&1 &
  for _ in $(seq 200); do curl -s -o /dev/null "http://127.0.0.1:$port/" && break; sleep 0.1; done
  # Slowly: where workers are replaced fast, uWSGI itself waits between them.
  for _ in $(seq 50); do curl -s --max-time 30 "http://127.0.0.1:$port/"; sleep 0.02; done | sort -u | wc -l
  kill -INT $!
  wait
}
expect 'version' '2.0.21-debian' "$(root/usr/bin/uwsgi-core --version)"
expect 'processes that answer, max-requests = 5' '1' "$(processes '')"
seen=$(processes 'min-worker-lifetime = 0')
expect 'at least ten, min-worker-lifetime = 0' 'yes' "$([ "$seen" -ge 10 ] && echo yes || echo "no, $seen")"
# The limit that uWSGI itself names, where a longer life is asked for than it allows.
expect 'where nothing is written' '(10)' "$(root/usr/bin/uwsgi-core --no-server --max-worker-lifetime 5 2>&1 | grep -o '([0-9]*), must be' | cut -d, -f1)"
