#!/usr/bin/env bash
# uWSGI 2.0.21 (Debian 12: uwsgi-core and uwsgi-plugin-python3 2.0.21-5.1), gunicorn 20.1.0
# (Debian 12: gunicorn and python3-gunicorn 20.1.0-6+deb12u1)
#
# Guess: a server that a .socket unit of systemd hands a socket to listens there, in the
# way that its own option for sockets says, and on the address of that option as well or
# not at all, as the other servers do.
# What happens: gunicorn listens on the unit's socket alone, and --bind counts for nothing.
# uWSGI listens on both, and speaks its own protocol on the unit's also where the only
# option it has is http-socket: what speaks HTTP to it gets no answer. With socket and
# protocol = http both speak HTTP.
# Who is hurt: who puts a socket unit before uWSGI to start it on demand: the unit is
# active, the port is open, the log says "attached", and clients are cut off. And who
# reads one rule for both servers into a unit that is to be moved.
. "$(dirname "$(readlink -f "$0")")/lib"
uwsgi
debian gunicorn=20.1.0-6+deb12u1 python3-gunicorn=20.1.0-6+deb12u1
cat >app.py <<'PY'
def application(environ, start_response):
    start_response('200 OK', [])
    return [b'answered']
PY
cat >unit.py <<'PY'
# Starts a program as a .socket unit does.
import os
import socket
import sys

listening = socket.create_server(('127.0.0.1', int(sys.argv[1])))
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
PY
# told SERVER…: what clients get of the unit's socket and of the server's own, whose port
# PORT in the words stands for.
told() {
  local unit own
  unit=$(free_port) own=$(free_port)
  /usr/bin/python3 unit.py "$unit" "${@//PORT/$own}" >server.log 2>&1 &
  local pid=$!
  trap 'kill -INT $pid' EXIT
  for _ in $(seq 100); do grep -q 'spawned uWSGI worker\|Booting worker' server.log && break; sleep 0.1; done
  for port in "$unit" "$own"; do curl -s -m 5 --noproxy '*' "http://127.0.0.1:$port/" || echo -n nothing; echo -n ' '; done
  kill -INT "$pid"
  wait "$pid" || true
  trap - EXIT
}
u() { told "$WORK/root/usr/bin/uwsgi-core" --plugin "$plugin" --master --wsgi-file app.py "$@"; }
expect 'gunicorn --bind' 'answered nothing ' "$(told /usr/bin/python3 "$WORK/root/usr/bin/gunicorn" -b 127.0.0.1:PORT app)"
expect 'uwsgi --http-socket' 'nothing answered ' "$(u --http-socket 127.0.0.1:PORT)"
expect 'uwsgi --socket --protocol http' 'answered answered ' "$(u --socket 127.0.0.1:PORT --protocol http)"
