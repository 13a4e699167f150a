#!/usr/bin/env bash
# mongrel2 1.12.2 (Debian 12: mongrel2-core 1.12.2-3+b1, asked by python3-zmq 24.0.1-4+b1)
#
# Guess: a request goes to the longest route that its path begins with, and to "/" where
# there is no other; a Host is compared as names of hosts are, in letters of either case.
# What happens: a path that is itself the beginning of a route goes to that route: with
# "/" and "/api", the page /a of the site at "/" is the API's. With "/blog/" and
# "/blog/admin/", /blog/a is the admin's. With "/api" alone, "/" is the API's and not 404.
# Names of hosts are compared so from their end: com is example.com, and p.example.com is
# shop.example.com. Case counts: EXAMPLE.COM is nobody's and gets the default host.
# Who is hurt: two applications on one server: single pages of one, those with short
# names, are answered by the other, which says 404 or worse, serves a page of that name.
. "$(dirname "$(readlink -f "$0")")/lib"
debian mongrel2-core=1.12.2-3+b1 python3-zmq=24.0.1-4+b1 libzmq5=4.3.4-6 libsodium23 libpgm-5.3-0 libnorm1 libsqlite3-0 libmbedtls14 libmbedcrypto7 libmbedx509-1
export LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(printf '%s:' "$WORK"/root/usr/lib/*/ "$WORK"/root/lib/*/)
# A handler that answers with the route that it was asked by.
cat >handler.py <<'PY'
import json
import sys

import zmq

context = zmq.Context()
asked = context.socket(zmq.PULL)
asked.connect('ipc://%s/in' % sys.argv[1])
answers = context.socket(zmq.PUB)
answers.connect('ipc://%s/out' % sys.argv[1])
while True:
    server, connection, _, rest = asked.recv().split(b' ', 3)
    length, rest = rest.split(b':', 1)
    headers = json.loads(rest[:int(length)])
    if headers['METHOD'] == 'JSON':
        continue
    route = headers['PATTERN'].encode()
    answers.send(server + b' %d:' % len(connection) + connection + b', HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % len(route) + route)
PY
# server HOST ROUTES…: runs one whose hosts have these routes, until stop.
server() {
  local hosts='' host routes route
  while [ $# -gt 0 ]; do
    host=$1 routes=''
    for route in $2; do routes+="${routes:+, }'$route': handler"; done
    hosts+="${hosts:+, }Host(name='$host', routes={$routes})"
    shift 2
  done
  port=$(free_port)
  rm -f config.sqlite pid in out control
  mkdir -p run
  cat >server.conf <<CONF
handler = Handler(send_spec='ipc://$WORK/in', send_ident='ask', recv_spec='ipc://$WORK/out', recv_ident='', protocol='json')
server = Server(uuid='it', access_log='$WORK/access.log', error_log='$WORK/error.log', chroot='/', default_host='default.org', name='it', pid_file='$WORK/pid', port=$port, bind_addr='127.0.0.1', hosts=[$hosts])
servers = [server]
settings = {'control_port': 'ipc://$WORK/control'}
CONF
  LOGNAME=finding root/usr/bin/m2sh load -config server.conf -db config.sqlite >/dev/null 2>m2sh.log
  root/usr/bin/mongrel2 config.sqlite it >mongrel2.log 2>&1 & # which leaves another process
  /usr/bin/python3 handler.py "$WORK" &
  handler=$!
  curl -sS -o /dev/null --retry 50 --retry-connrefused --retry-delay 1 --noproxy '*' "http://127.0.0.1:$port/" 2>/dev/null
}
stop() {
  kill -KILL "$(cat pid)" "$handler"
  wait "$handler" 2>/dev/null || true
}
trap 'stop 2>/dev/null || true; rm -rf "$WORK"' EXIT
route() { curl -sS -H "Host: $1" --noproxy '*' "http://127.0.0.1:$port$2"; }
routes() {
  local said=''
  for path in "$@"; do said+="$path $(route default.org "$path"), "; done
  printf '%s' "${said%, }"
}
server default.org '/ /api'
expect '/ and /api' '/ /, /a /api, /ap /api, /api /api, /apix /api, /ax /, /b /' "$(routes / /a /ap /api /apix /ax /b)"
stop
server default.org '/ /blog/ /blog/admin/'
expect '/, /blog/ and /blog/admin/' '/b /blog/, /blog/a /blog/admin/, /blog/adm /blog/admin/, /blog/adx /blog/' "$(routes /b /blog/a /blog/adm /blog/adx)"
stop
server default.org /api
expect '/api alone' '/ /api, /a /api, /b Not Found' "$(routes / /a /b)"
stop
server default.org /default example.com /example shop.example.com /shop
expect 'hosts by letters at the end' '/example /shop' "$(route com /example) $(route p.example.com /shop)"
expect 'a host in capitals' 'Not Found /default' "$(route EXAMPLE.COM /example) $(route EXAMPLE.COM /default)"
