#!/usr/bin/env bash
# mod_wsgi 4.9.4 (Debian 12: libapache2-mod-wsgi-py3 4.9.4-1+b2, apache2 2.4.71-1~deb12u1)
#
# Guess: processes=1 is the default of WSGIDaemonProcess, so that to write it or to leave
# it out is the same.
# What happens: one process runs either way, but with processes=1 the application is told
# wsgi.multiprocess True, and without it False.
# Who is hurt: whoever writes the default down, or has a tool write it, as one does when a
# site moves: what counts on being the only process (debuggers in the browser, sessions
# and caches in memory, libraries that refuse to run in several) stops without a change
# of what runs.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >app.wsgi <<'PY'
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s %d" % (environ["wsgi.multiprocess"], os.getpid())).encode()]
PY
apache "WSGIDaemonProcess left-out
WSGIDaemonProcess written processes=1
WSGIScriptAlias /left-out \"$WORK/app.wsgi\" process-group=left-out application-group=%{GLOBAL}
WSGIScriptAlias /written \"$WORK/app.wsgi\" process-group=written application-group=%{GLOBAL}"
# What it is told, and how many processes answer thirty requests.
told() {
  for _ in $(seq 30); do get "$1"; echo; done | sort | uniq | awk '{told = $1} END {print told, NR, "process" (NR > 1 ? "es" : "")}'
}
expect 'left out' 'False 1 process' "$(told left-out)"
expect 'processes=1' 'True 1 process' "$(told written)"
