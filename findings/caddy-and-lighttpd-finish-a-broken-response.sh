#!/usr/bin/env bash
# Caddy 2.6.2 (Debian 12: caddy 2.6.2-5), lighttpd 1.4.69 (lighttpd 1.4.69-1), nginx 1.22.1 (nginx and
# nginx-common 1.22.1-9+deb12u11)
#
# Guess: a response in chunks whose last chunk is missing, because the process that made it died, is broken
# for whoever gets it; a proxy passes that on, and its client sees an error and no page.
# What happens: nginx passes it on. Caddy adds the last chunk that was missing, and lighttpd, which keeps
# a response until it has all of it, a Content-Length of what there is: half a page is a whole one,
# with 200. With server.stream-response-body = 1 lighttpd passes it on where it has sent a part
# before; Caddy 2.11.9 passes it on. What had a Content-Length is broken behind all of them.
# Who is hurt: readers of an export or a feed that was cut in the middle, who take it for all there is; and
# caches behind such a proxy, which keep it.
. "$(dirname "$(readlink -f "$0")")/lib"
debian caddy=2.6.2-5 lighttpd=1.4.69-1 nginx=1.22.1-9+deb12u11 nginx-common=1.22.1-9+deb12u11
export HOME=$WORK XDG_DATA_HOME=$WORK XDG_CONFIG_HOME=$WORK
origin=$(free_port)
cat >origin.py <<'PY'
"""origin.py PORT: begins a response and ends: /chunks with chunks, /length with a length."""
import socket
import sys
import time

listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))
while True:
    client = listener.accept()[0]
    head = client.recv(65536)
    how = b'Content-Length: 100\r\n\r\nhello' if b' /length' in head else b'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'
    if head:
        client.sendall(b'HTTP/1.1 200 OK\r\n' + how)
        time.sleep(1)
    client.close()
PY
/usr/bin/python3 origin.py "$origin" &
caddy=$(free_port)
printf '{\n admin off\n auto_https off\n}\nhttp://127.0.0.1:%s {\n bind 127.0.0.1\n reverse_proxy 127.0.0.1:%s\n}\n' "$caddy" "$origin" >Caddyfile
root/usr/bin/caddy run --config Caddyfile --adapter caddyfile >caddy.log 2>&1 &
nginx=$(free_port)
printf 'daemon off; master_process off; error_log %s/log; pid %s/pid; events {} http { access_log off; client_body_temp_path %s/t1; proxy_temp_path %s/t2; fastcgi_temp_path %s/t3;
  uwsgi_temp_path %s/t4; scgi_temp_path %s/t5; server { listen 127.0.0.1:%s; location / { proxy_pass http://127.0.0.1:%s; } } }' \
  "$WORK" "$WORK" "$WORK" "$WORK" "$WORK" "$WORK" "$WORK" "$nginx" "$origin" >nginx.conf
root/usr/sbin/nginx -p "$WORK" -c "$WORK/nginx.conf" 2>/dev/null &
# lighttpd NAME LINE: begins to listen on a port, which is the variable NAME from then on.
lighttpd() {
  printf -v "$1" %s "$(free_port)"
  printf 'server.modules = ("mod_proxy")\nserver.document-root = "%s"\nserver.bind = "127.0.0.1"\nserver.port = %s\nproxy.server = ("" => (("host" => "127.0.0.1", "port" => %s)))\n%s\n' \
    "$WORK" "${!1}" "$origin" "$2" >"$1.conf"
  root/usr/sbin/lighttpd -D -m root/usr/lib/lighttpd -f "$1.conf" 2>"$1.log" &
}
lighttpd whole ''
lighttpd stream 'server.stream-response-body = 1'
trap 'kill $(jobs -p); wait; rm -rf "$WORK"' EXIT
# What a client says of PATH at a port: what it got, and whether that was all (curl: 18 is "partial file").
got() {
  local rc=0 text
  text=$(curl -s --retry 20 --retry-connrefused --retry-delay 1 --noproxy '*' "http://127.0.0.1:$2$1") || rc=$?
  case $rc in 0) echo "$text, and that is all" ;; 18) echo "$text, and more was to come" ;; *) echo "curl: $rc" ;; esac
}
expect 'versions' '2.6.2, lighttpd/1.4.69' "$(root/usr/bin/caddy version), $(root/usr/sbin/lighttpd -v | cut -d' ' -f1)"
expect 'itself' 'hello, and more was to come' "$(got /chunks "$origin")"
expect 'by nginx' 'hello, and more was to come' "$(got /chunks "$nginx")"
expect 'by Caddy' 'hello, and that is all' "$(got /chunks "$caddy")"
expect 'by lighttpd' 'hello, and that is all' "$(got /chunks "$whole")"
expect 'by lighttpd that streams' 'hello, and more was to come' "$(got /chunks "$stream")"
expect 'with a length by Caddy' 'hello, and more was to come' "$(got /length "$caddy")"
expect 'with a length by lighttpd' 'hello, and more was to come' "$(got /length "$whole")"
