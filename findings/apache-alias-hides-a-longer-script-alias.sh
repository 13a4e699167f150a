#!/usr/bin/env bash
# Apache 2.4.67 with mod_wsgi 4.9.4 (Debian 12: apache2-bin 2.4.67-1~deb12u2, libapache2-mod-wsgi-py3 4.9.4-1+b2)
#
# Guess: of WSGIScriptAlias /files/app and Alias /files the longer one takes /files/app/x,
# or the one that is written first, as among two lines of the same directive.
# What happens: Alias takes it, also where it stands last: all lines of mod_alias are
# looked at before any of mod_wsgi. The application below /files is never asked, and
# where there is no such file the client gets 404.
# Who is hurt: whoever mounts an application below a folder of files, or reads a site to
# move it elsewhere by "longest first" or "first first".
. "$(dirname "$(readlink -f "$0")")/lib"
debian apache2-bin=2.4.67-1~deb12u2 libapache2-mod-wsgi-py3=4.9.4-1+b2
modules=$WORK/root/usr/lib/apache2/modules
chmod 755 "$WORK"
mkdir -p files/app
echo file | tee files/x >files/app/x
cat >app.wsgi <<'PY'
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"app\n"]
PY
port=$(free_port)
cat >apache.conf <<CONF
ServerName localhost
ServerRoot "$WORK"
PidFile "$WORK/apache.pid"
ErrorLog "$WORK/error.log"
Listen 127.0.0.1:$port
LoadModule mpm_event_module "$modules/mod_mpm_event.so"
LoadModule authz_core_module "$modules/mod_authz_core.so"
LoadModule alias_module "$modules/mod_alias.so"
LoadModule wsgi_module "$modules/mod_wsgi.so"
User www-data
Group www-data
WSGIScriptAlias /files/app "$WORK/app.wsgi"
WSGIScriptAlias / "$WORK/app.wsgi"
Alias /files "$WORK/files"
<Directory "$WORK">
  Require all granted
</Directory>
CONF
root/usr/sbin/apache2 -f "$WORK/apache.conf" -k start
trap 'kill "$(cat "$WORK/apache.pid")"; rm -rf "$WORK"' EXIT
get() { curl -sS --retry 20 --retry-connrefused --retry-delay 1 --noproxy '*' -o body -w '%{http_code}' "http://127.0.0.1:$port/$1" && echo " $(head -1 body)"; }
expect '/x' '200 app' "$(get x)"
expect '/files/x' '200 file' "$(get files/x)"
expect '/files/app/x, a file' '200 file' "$(get files/app/x)"
expect '/files/app/y, no file' '404' "$(get files/app/y | cut -c1-3)"
