#!/usr/bin/env bash
# Apache 2.4.71 (Debian 12: apache2-bin 2.4.71-1~deb12u1), nginx 1.22.1 (nginx and nginx-common 1.22.1-9+deb12u11),
# Caddy 2.6.2 (caddy 2.6.2-5)
#
# Guess: a proxy that keeps connections to the server behind it sends a GET once more, by a new
# one, where the server has closed the old one in that moment, as HTTP says; and answers 502
# to a POST, which it may not repeat. PUT and DELETE may be repeated, too.
# What happens: nginx does just that. Caddy repeats GET alone. Apache repeats nothing: GET, too, is
# answered 502, "Error reading from remote server".
# Who is hurt: who has Apache in front of a server that closes connections after a time, or
# with a restart: now and then a page is a 502 that the application has never seen, and
# nobody can tell from what. Apache keeps connections as long as it lives, so the server ends
# them; with ttl= in its ProxyPass, below the server's time, Apache does.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >server.py <<'PY'
"""Answers the first request of each connection, and ends the connection when the second one comes, as a server
does whose time for it is over in that moment."""
import re
import socket
import sys
import threading


def serve(connection):
    count, text = 0, b''
    with connection:
        while True:
            while b'\r\n\r\n' not in text:
                piece = connection.recv(65536)
                if not piece:
                    return
                text += piece
            head, _, text = text.partition(b'\r\n\r\n')
            length = re.search(rb'(?i)content-length: (\d+)', head)
            rest = int(length.group(1)) - len(text) if length else 0
            while rest > 0:
                rest -= len(connection.recv(rest))
            text = b''
            count += 1
            if count == 2:
                return
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')


listening = socket.create_server(('127.0.0.1', int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=listening.accept()[:1], daemon=True).start()
PY
server=$(free_port)
/usr/bin/python3 server.py "$server" 2>/dev/null &
apache "LoadModule proxy_module $WORK/root/usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module $WORK/root/usr/lib/apache2/modules/mod_proxy_http.so
ServerLimit 1
ThreadsPerChild 25
MaxRequestWorkers 25
ProxyPass / http://127.0.0.1:$server/"
apache=$port
debian nginx=1.22.1-9+deb12u11 nginx-common=1.22.1-9+deb12u11 caddy=2.6.2-5
nginx=$(free_port)
cat >nginx.conf <<CONF
pid $WORK/nginx.pid;
worker_processes 1;
events {}
http {
  access_log off;
  client_body_temp_path $WORK/a; proxy_temp_path $WORK/b; fastcgi_temp_path $WORK/c; uwsgi_temp_path $WORK/d; scgi_temp_path $WORK/e;
  upstream server { server 127.0.0.1:$server; keepalive 4; }
  server { listen 127.0.0.1:$nginx; location / { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://server; } }
}
CONF
root/usr/sbin/nginx -c "$WORK/nginx.conf" -e nginx.log
caddy=$(free_port)
printf '{\n  admin off\n  auto_https off\n}\nhttp://:%s {\n  bind 127.0.0.1\n  reverse_proxy 127.0.0.1:%s\n}\n' "$caddy" "$server" >Caddyfile
HOME=$WORK root/usr/bin/caddy run --config Caddyfile --adapter caddyfile >caddy.log 2>&1 &
trap 'kill %1 %2 "$(cat nginx.pid)" "$(cat apache.pid)"; wait; rm -rf "$WORK"' EXIT
expect 'versions' 'Apache/2.4.71 nginx/1.22.1 2.6.2' "$(root/usr/sbin/apache2 -v | grep -o 'Apache/[0-9.]*') $(root/usr/sbin/nginx -v 2>&1 | grep -o 'nginx/[0-9.]*') $(root/usr/bin/caddy version)"
for port in "$apache" "$nginx" "$caddy"; do get '' -o body 2>/dev/null; done
status() { curl -s --noproxy '*' -o body -w '%{http_code}' "$@"; }
# second PORT OPTION…: how a request is answered that comes by the connection of a GET before it.
second() {
  for _ in $(seq 10); do [ "$(status "http://127.0.0.1:$1/")" = 200 ] && break; done
  status "http://127.0.0.1:$1/" "${@:2}"
}
expect 'GET by nginx' '200' "$(second "$nginx")"
expect 'GET by Caddy' '200' "$(second "$caddy")"
expect 'GET by Apache' '502' "$(second "$apache")"
expect 'PUT by nginx' '200' "$(second "$nginx" -X PUT -d x)"
expect 'PUT by Caddy' '502' "$(second "$caddy" -X PUT -d x)"
expect 'PUT by Apache' '502' "$(second "$apache" -X PUT -d x)"
expect 'POST by nginx' '502' "$(second "$nginx" -d x)"
expect 'POST by Caddy' '502' "$(second "$caddy" -d x)"
expect 'POST by Apache' '502' "$(second "$apache" -d x)"
