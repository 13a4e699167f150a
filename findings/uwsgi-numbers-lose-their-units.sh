#!/usr/bin/env bash
# uWSGI 2.0.21 (Debian 12: uwsgi-core and uwsgi-plugin-python3 2.0.21-5.1)
#
# Guess: harakiri = 1m is a minute and buffer-size = 64k is 64 KiB, or uWSGI refuses to
# start; processes = auto is one for each core, as in nginx, or an error.
# What happens: of an option's value uWSGI takes the digits at its start and drops the
# rest, without a word, also under strict. harakiri = 1m kills a request after a second
# or two; with buffer-size = 64k each request whose head has more than 64 bytes is cut
# off; processes = auto is 0 processes: the socket is bound, connections are accepted by
# the kernel, and no one ever answers them.
# Who is hurt: who writes units as every neighbour takes them. Nothing at the start says
# it, and the harm shows under the first slow view or long cookie.
. "$(dirname "$(readlink -f "$0")")/lib"
uwsgi
cat >app.py <<'PY'
import time


def application(environ, start_response):
    time.sleep(float(environ['QUERY_STRING']))
    start_response('200 OK', [])
    return []
PY
port=$(free_port)
# What curl gets of an app that sleeps for SECONDS: a status, "cut off" or "no answer".
answer() {
  cat >app.ini <<INI
[uwsgi]
strict = true
plugin = $plugin
http-socket = 127.0.0.1:$port
wsgi-file = app.py
master = true
$1
INI
  setsid root/usr/bin/uwsgi-core --ini app.ini >uwsgi.log 2>&1 &
  for _ in $(seq 200); do grep -q '^spawned uWSGI worker\|no-workers' uwsgi.log && break; sleep 0.1; done
  local said=0
  curl -s -o body -w '%{http_code}\n' -H 'Cookie: sessionid=0123456789abcdef0123456789abcdef' --max-time 10 "http://127.0.0.1:$port/?$2" >status || said=$?
  case $said in 0) cat status ;; 28) echo 'no answer' ;; *) echo 'cut off' ;; esac
  kill -KILL -- -$!
  wait 2>/dev/null || true
}
expect 'version' '2.0.21-debian' "$(root/usr/bin/uwsgi-core --version)"
expect 'harakiri = 60, a view of 5 s' '200' "$(answer 'harakiri = 60' 5)"
expect 'harakiri = 1m, a view of 5 s' 'cut off' "$(answer 'harakiri = 1m' 5)"
expect 'buffer-size = 65535' '200' "$(answer 'buffer-size = 65535' 0)"
expect 'buffer-size = 64k' 'cut off' "$(answer 'buffer-size = 64k' 0)"
expect 'processes = 2' '200' "$(answer 'processes = 2' 0)"
expect 'processes = auto' 'no answer' "$(answer 'processes = auto' 0)"
expect 'what the log says of it' '*** Operational MODE: no-workers ***' "$(grep -i 'operational' uwsgi.log)"
