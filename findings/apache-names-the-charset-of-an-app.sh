#!/usr/bin/env bash
# Apache 2.4.71 with mod_wsgi 4.9.4 (Debian 12: apache2-bin 2.4.71-1~deb12u1, libapache2-mod-wsgi-py3 4.9.4-1+b2)
#
# Guess: AddDefaultCharset is for the files that Apache serves: what an application answers
# goes out with the headers that it made, as its other ones do.
# What happens: an answer of the application of type text/html or text/plain that names no
# charset gets Apache's. application/json is left alone.
# Who is hurt: an application that leaves the charset out, with umlauts in its pages: on
# another server browsers guess, and differently; and one that answers in several
# charsets, each named within its page: Apache's header wins over that.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >app.wsgi <<'PY'
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', environ['QUERY_STRING'])])
    return [b'answered']
PY
apache "AddDefaultCharset utf-8
WSGIDaemonProcess app
WSGIScriptAlias /app $WORK/app.wsgi process-group=app application-group=%{GLOBAL}"
of() { get "app?$1" -o out -w '%{content_type}'; }
expect 'text/html' 'text/html; charset=utf-8' "$(of text/html)"
expect 'text/html; charset=x' 'text/html; charset=x' "$(of 'text/html;%20charset=x' | sed 's/%20/ /')"
expect 'application/json' 'application/json' "$(of application/json)"
