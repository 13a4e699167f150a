#!/usr/bin/env bash
# gunicorn 20.1.0 (Debian 12: gunicorn and python3-gunicorn 20.1.0-6+deb12u1)
#
# Guess: --umask 22 is the umask with which workers write files, as umask is in uWSGI,
# supervisord, mod_wsgi and systemd; and 22 is octal, as there.
# What happens: workers keep the umask that gunicorn was started with. The option counts
# for unix sockets and for gunicorn's own small files alone, and 22 is decimal, 026: a
# socket of mode 0751. With --daemon workers have 022, whatever the option and the
# caller say.
# Who is hurt: who protects uploads by --umask 077: they are as readable as before. Who
# moves to another server by the names of options gets files of other modes than before.
. "$(dirname "$(readlink -f "$0")")/lib"
debian gunicorn=20.1.0-6+deb12u1 python3-gunicorn=20.1.0-6+deb12u1
cat >app.py <<'PY'
import os


def app(environ, start_response):
    mask = os.umask(0)
    os.umask(mask)
    start_response('200 OK', [])
    return [b'%03o' % mask]
PY
umask 027
# The umask of a worker, and the mode of its socket.
seen() {
  rm -f sock
  root/usr/bin/gunicorn --bind unix:sock --pid pid "$@" app:app >gunicorn.log 2>&1 &
  for _ in $(seq 100); do
    if mask=$(curl -sS --unix-socket sock http://localhost/ 2>/dev/null); then break; fi
    sleep 0.1
  done
  echo "$mask $(stat -c %a sock)"
  kill "$(cat pid)"
  while [ -e sock ]; do sleep 0.1; done
}
expect 'started with umask 027' '027 777' "$(seen)"
expect '--umask 077' '027 700' "$(seen --umask 077)"
expect '--umask 22' '027 751' "$(seen --umask 22)"
expect '--umask 077 --daemon' '022 700' "$(seen --umask 077 --daemon)"
