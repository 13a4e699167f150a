#!/usr/bin/env bash
# Apache 2.4.71 with mod_wsgi 4.9.4 (Debian 12: apache2-bin 2.4.71-1~deb12u1, libapache2-mod-wsgi-py3 4.9.4-1+b2)
#
# Guess: of WSGIScriptAlias /files/app and Alias /files the longer one takes /files/app/x,
# or the one that is written first, as among two lines of the same directive.
# What happens: Alias takes it, also where it stands last: all lines of mod_alias are
# looked at before any of mod_wsgi. The application below /files is never asked, and
# where there is no such file the client gets 404.
# Who is hurt: whoever mounts an application below a folder of files, or reads a site to
# move it elsewhere by "longest first" or "first first".
. "$(dirname "$(readlink -f "$0")")/lib"
mkdir -p files/app
echo file | tee files/x >files/app/x
cat >app.wsgi <<'PY'
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"app\n"]
PY
apache "WSGIScriptAlias /files/app \"$WORK/app.wsgi\"
WSGIScriptAlias / \"$WORK/app.wsgi\"
Alias /files \"$WORK/files\""
answer() { get "$1" -o body -w '%{http_code}' && echo " $(head -1 body)"; }
expect '/x' '200 app' "$(answer x)"
expect '/files/x' '200 file' "$(answer files/x)"
expect '/files/app/x, a file' '200 file' "$(answer files/app/x)"
expect '/files/app/y, no file' '404' "$(answer files/app/y | cut -c1-3)"
