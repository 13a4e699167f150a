#!/usr/bin/env bash
# uWSGI 2.0.21 (Debian 12: uwsgi-core and uwsgi-plugin-python3 2.0.21-5.1)
#
# Guess: http = :8000 and http-socket = :8000 differ in who reads the request, a process of
# its own or the worker; without harakiri a request may take as long as it likes with both.
# What happens: the process in front of http gives up on a client for whom no byte came
# for http-timeout, 60 s where nothing is said. It closes the connection without an
# answer, no 504, and logs nothing. The worker goes on to its end and answers nobody;
# its log says 200.
# Who is hurt: reports and imports that take minutes: the client sees an empty reply,
# tries again, and the work is done twice, while every log says that all is well.
. "$(dirname "$(readlink -f "$0")")/lib"
uwsgi
cat >app.py <<'PY'
import time


def application(environ, start_response):
    time.sleep(float(environ['QUERY_STRING']))
    start_response('200 OK', [])
    return [b'done']
PY
# What curl gets of an app that sleeps for SECONDS, and what uWSGI logs of it; the rest is options.
answer() {
  root/usr/bin/uwsgi-core --plugin "$plugin" --plugins-dir root/usr/lib/uwsgi/plugins "${@:2}" --wsgi-file app.py --master --log-format '%(status)' >uwsgi.log 2>&1 &
  for _ in $(seq 200); do grep -q '^spawned uWSGI worker' uwsgi.log && break; sleep 0.1; done
  local said=0
  curl -s -o body --noproxy '*' --retry 20 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$port/?$1" || said=$?
  for _ in $(seq 200); do grep -qx '200' uwsgi.log && break; sleep 0.1; done
  kill -INT $!
  wait
  case $said in 0) echo "$(cat body), logged $(grep -xm1 '200' uwsgi.log)" ;; 52) echo "empty reply, logged $(grep -xm1 '200' uwsgi.log)" ;; *) echo "curl ends with $said" ;; esac
}
port=$(free_port)
expect 'version' '2.0.21-debian' "$(root/usr/bin/uwsgi-core --version)"
expect 'http-socket, a view of 65 s' 'done, logged 200' "$(answer 65 --http-socket "127.0.0.1:$port")"
expect 'http, a view of 5 s' 'done, logged 200' "$(answer 5 --plugin http --http "127.0.0.1:$port")"
expect 'http, a view of 65 s' 'empty reply, logged 200' "$(answer 65 --plugin http --http "127.0.0.1:$port")"
expect 'what the log says of it' '0' "$(grep -ci 'timeout\|error' uwsgi.log || true)"
