#!/usr/bin/env bash
# nginx 1.22.1 (Debian 12: nginx and nginx-common 1.22.1-9+deb12u11), uWSGI 2.0.21 (Debian 12:
# uwsgi-core and uwsgi-plugin-python3 2.0.21-5.1)
#
# Guess: in one and the same location, uwsgi_pass with nginx's own uwsgi_params and proxy_pass
# http://… tell the application the same path; what they differ in is the protocol.
# What happens: uwsgi_params tell the path that nginx has cleaned to find the location: double
# slashes are one, . and .. are taken out, also where they were sent as %2e. proxy_pass
# tells what was sent. With a path of its own, be it "/", it tells the cleaned one too.
# uWSGI by HTTP takes /./ and /../ out where they were sent so, and leaves %2e and //.
# Who is hurt: who takes an application from uWSGI's protocol to HTTP: links with a double
# slash were pages and are 404 from then on.
. "$(dirname "$(readlink -f "$0")")/lib"
debian nginx=1.22.1-9+deb12u11 nginx-common=1.22.1-9+deb12u11
uwsgi
cat >app.py <<'PY'
def application(environ, start_response):
    start_response('200 OK', [])
    return [environ['PATH_INFO'].encode()]
PY
by_uwsgi=$(free_port) by_http=$(free_port) by_slash=$(free_port)
cat >nginx.conf <<CONF
pid $WORK/nginx.pid;
error_log $WORK/error.log;
events {}
http {
  access_log off;
  client_body_temp_path $WORK/a; proxy_temp_path $WORK/b; fastcgi_temp_path $WORK/c; uwsgi_temp_path $WORK/d; scgi_temp_path $WORK/e;
  server { listen 127.0.0.1:$by_uwsgi; location / { include $WORK/root/etc/nginx/uwsgi_params; uwsgi_pass unix:$WORK/uwsgi.sock; } }
  server { listen 127.0.0.1:$by_http; location / { proxy_pass http://unix:$WORK/http.sock; } }
  server { listen 127.0.0.1:$by_slash; location / { proxy_pass http://unix:$WORK/http.sock:/; } }
}
CONF
chmod 755 "$WORK"
root/usr/bin/uwsgi-core --plugin "$plugin" --master --socket uwsgi.sock --http-socket http.sock --chmod-socket=666 --wsgi-file app.py >uwsgi.log 2>&1 &
root/usr/sbin/nginx -c "$WORK/nginx.conf" -e error.log
trap 'kill "$(cat nginx.pid)"; kill -INT %1; wait; rm -rf "$WORK"' EXIT
for _ in $(seq 100); do grep -q 'spawned uWSGI worker' uwsgi.log && break; sleep 0.1; done
# told PATH: what the application is told by uwsgi_pass, proxy_pass and proxy_pass with a slash.
told() { for port in "$by_uwsgi" "$by_http" "$by_slash"; do curl -sS --noproxy '*' --path-as-is "http://127.0.0.1:$port$1"; echo -n ' '; done; }
expect 'version' 'nginx version: nginx/1.22.1' "$(root/usr/sbin/nginx -v 2>&1)"
expect '/a%20b' '/a b /a b /a b ' "$(told /a%20b)"
expect '/a//b' '/a/b /a//b /a/b ' "$(told /a//b)"
expect '/a/../b' '/b /b /b ' "$(told /a/../b)"
expect '/a/%2e%2e/b' '/b /a/../b /b ' "$(told /a/%2e%2e/b)"
