#!/usr/bin/env bash
# nginx 1.22.1 (Debian 12: nginx and nginx-common 1.22.1-9+deb12u11), on Linux
#
# Guess: a server that is reached by a unix socket takes a rush as it does by TCP, only faster:
# connections that it has not taken yet wait in its queue, and when that is full the next one
# waits to be let in.
# What happens: so it is by TCP, where the kernel tries again, and nginx waits. At a unix socket
# whose queue is full connecting fails at once for a program that does not want to be held up,
# EAGAIN, and nginx answers 502 in that moment.
# Who is hurt: who goes from 127.0.0.1:8000 to a unix socket, as manuals advise, and leaves the
# queue as it was: 2048 connections of gunicorn, 100 of uWSGI, 5 of many a small server. What was
# a slow second while a server restarts or thinks becomes a second of errors.
. "$(dirname "$(readlink -f "$0")")/lib"
debian nginx=1.22.1-9+deb12u11 nginx-common=1.22.1-9+deb12u11
port=$(free_port) behind=$(free_port)
chmod 755 "$WORK"
# Two servers whose queues hold two connections each, and which take none.
/usr/bin/python3 -c '
import os, socket, sys, time
unix = socket.socket(socket.AF_UNIX)
unix.bind("full.sock")
os.chmod("full.sock", 0o777)
tcp = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1)
unix.listen(1)
full = []
for family, at in (socket.AF_UNIX, "full.sock"), (socket.AF_INET, tcp.getsockname()):
    for _ in range(2):
        full.append(socket.socket(family))
        full[-1].connect(at)
open("filled", "w").close()
time.sleep(100)' "$behind" &
cat >nginx.conf <<CONF
error_log $WORK/error.log;
pid $WORK/nginx.pid;
daemon off;
events {}
http {
  access_log off;
  client_body_temp_path $WORK/body; proxy_temp_path $WORK/proxy; fastcgi_temp_path $WORK/f; uwsgi_temp_path $WORK/u; scgi_temp_path $WORK/s;
  proxy_connect_timeout 30s;
  server {
    listen 127.0.0.1:$port;
    location /tcp { proxy_pass http://127.0.0.1:$behind; }
    location /unix { proxy_pass http://unix:$WORK/full.sock; }
    location /ready { return 204; }
  }
}
CONF
root/usr/sbin/nginx -e "$WORK/error.log" -c "$WORK/nginx.conf" &
trap 'kill %1 %2; wait; rm -rf "$WORK"' EXIT
for _ in $(seq 100); do [ -e filled ] && break; sleep 0.1; done
get ready
expect 'version' 'nginx/1.22.1' "$(root/usr/sbin/nginx -v 2>&1 | sed 's/.*: //')"
asked() { get "$1" -o answer -w '%{http_code}' --retry 0 --max-time 5 2>said || echo ", nothing for 5 s"; }
expect 'by TCP' '000, nothing for 5 s' "$(asked tcp)"
expect 'by a unix socket' '502' "$(asked unix)"
expect 'why' 'connect() to unix:full.sock failed (11: Resource temporarily unavailable)' "$(sed -n "s|.*\(connect() to unix:\)$WORK/\(.*unavailable)\).*|\1\2|p" error.log | head -1)"
