#!/usr/bin/env bash
# uWSGI 2.0.21 (Debian 12: uwsgi-core and uwsgi-plugin-python3 2.0.21-5.1)
#
# Guess: with harakiri = 2 a request that takes longer than two seconds ends with its
# worker, in a worker of several threads as in one of one.
# What happens: a worker has one limit for all its threads. Each request that another
# thread begins sets it anew, and each that ends takes it away: beside a request in every
# second one of eight seconds is answered, and nothing is logged. Alone it is killed.
# Who is hurt: who relies on it for requests that hang: under load, when it matters, it
# does not happen, and in every trial it does.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >app.py <<'PY'
import time

def application(environ, start_response):
    time.sleep(float(environ['QUERY_STRING'] or 0))
    start_response('200 OK', [])
    return [b'answered']
PY
uwsgi_serves --threads 2 --harakiri 2
get '?0' >/dev/null
killed() { grep -c 'HARAKIRI ON' uwsgi.log || true; }
get '?8' >beside &
slow=$!
for _ in $(seq 7); do sleep 1; get '?0' >/dev/null; done
wait $slow
expect 'beside others' 'answered, 0 killed' "$(cat beside), $(killed) killed"
expect 'alone' 'curl ends with 52, 1 killed' "$(get '?8' 2>/dev/null || echo -n "curl ends with $?"), $(killed) killed"
