#!/usr/bin/env bash
# mod_wsgi 4.9.4 (Debian 12: libapache2-mod-wsgi-py3 4.9.4-1+b2, apache2 2.4.71-1~deb12u1)
#
# Guess: request-timeout=1 ends a request that takes longer than a second, and
# shutdown-timeout=1 gives it one more.
# What happens: so it is with threads=1. What is compared is the sum of the times of all
# requests that a process has at hand, divided by its threads, idle ones too: with
# threads=8 a lone request has eight seconds, with the 15 of the default 15.
# Who is hurt: who sets it to what the proxy in front waits for: requests go on long after
# the proxy has given up; and who moves the number elsewhere, where it is of each request.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >app.wsgi <<'PY'
import time

def application(environ, start_response):
    time.sleep(float(environ['QUERY_STRING'] or 0))
    start_response('200 OK', [])
    return [b'answered']
PY
apache "WSGIDaemonProcess one threads=1 request-timeout=1 shutdown-timeout=1
WSGIDaemonProcess eight threads=8 request-timeout=1 shutdown-timeout=1
WSGIScriptAlias /one $WORK/app.wsgi process-group=one application-group=%{GLOBAL}
WSGIScriptAlias /eight $WORK/app.wsgi process-group=eight application-group=%{GLOBAL}"
get 'one?0' >/dev/null
get 'eight?0' >/dev/null
# A failure is no reason to ask again.
once() { curl -s --noproxy '*' -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/$1"; }
expect 'one thread, 5 s' '500' "$(once 'one?5')"
expect 'eight threads, 5 s' '200' "$(once 'eight?5')"
expect 'eight threads, 14 s' '500' "$(once 'eight?14')"
