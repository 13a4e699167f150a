#!/usr/bin/env bash
# wrk 4.1.0 (Debian 12: wrk 4.1.0-3+b2), nginx 1.22.1, OpenSSL 3.0
#
# Guess: wrk with "Connection: close" makes a new TLS connection for each request, and so
# measures what a handshake costs: the key exchange and the server's signature.
# What happens: it keeps the session of the connection before and offers it to the next
# one; all but the first of each of its connections are resumed, in which the server
# signs nothing.
# Who is hurt: whoever compares servers by new HTTPS connections with it. A server that
# takes sessions up is measured without its dearest step, one that has no session cache
# or tickets with it, and the difference looks like one of speed.
. "$(dirname "$(readlink -f "$0")")/lib"
debian wrk=4.1.0-3+b2 libluajit-5.1-2 nginx=1.22.1-9+deb12u7
mkdir logs
port=$(free_port)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost 2>/dev/null
cat >nginx.conf <<CONF
pid $WORK/nginx.pid;
error_log $WORK/error.log;
worker_processes 1;
events { }
http {
  log_format session '\$ssl_session_reused';
  access_log $WORK/sessions.log session;
  client_body_temp_path $WORK; proxy_temp_path $WORK; fastcgi_temp_path $WORK; uwsgi_temp_path $WORK; scgi_temp_path $WORK;
  server {
    listen 127.0.0.1:$port ssl;
    ssl_certificate $WORK/cert.pem;
    ssl_certificate_key $WORK/key.pem;
    ssl_session_cache shared:all:1m;
    location / { return 200 hello; }
  }
}
CONF
root/usr/sbin/nginx -c "$WORK/nginx.conf" -e "$WORK/error.log"
trap 'kill "$(cat "$WORK/nginx.pid")"; rm -rf "$WORK"' EXIT
expect 'version' 'wrk debian/4.1.0-3+b2' "$(LD_LIBRARY_PATH=$(dirname root/usr/lib/*/libluajit*.so.2) root/usr/bin/wrk -v 2>&1 | sed -n 's/ \[.*//p')"
LD_LIBRARY_PATH=$(dirname root/usr/lib/*/libluajit*.so.2) root/usr/bin/wrk -t1 -c4 -d2s -H 'Connection: close' "https://127.0.0.1:$port/" >wrk.log
# Four connections at a time: as many whole handshakes, and one more at most.
whole=$(grep -c '^\.$' sessions.log || true) resumed=$(grep -c '^r$' sessions.log || true)
echo "whole handshakes $whole, resumed $resumed"
expect 'nearly all are resumed' yes "$([ "$resumed" -gt 100 ] && [ "$whole" -le 8 ] && echo yes || echo no)"
