#!/usr/bin/env bash
# gevent 22.10.2 (Debian 12: python3-gevent 22.10.2-3, with its dependencies)
#
# Guess: after gevent.monkey.patch_all(), os.waitpid(pid, os.WNOHANG) still says at
# once whether the child has ended; only a wait that blocks is another one.
# What happens: for a child of the patched os.fork() it says (0, 0), "not yet", of
# a child that ended long ago, again and again, until gevent's loop has run in
# this thread.
# Who is hurt: whoever forks and reaps in code of their own inside a process that
# somebody else has patched: process managers, pools, test runners. Without a turn
# of the loop their children stay zombies and their exit codes unknown.
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-gevent=22.10.2-3 python3-greenlet=2.0.2-1 python3-zope.event=4.4-3 python3-zope.interface=5.5.2-1+b1
cat >probe.py <<'PY'
import os
from time import sleep
import gevent
import gevent.monkey
gevent.monkey.patch_all()

def ended(code):
    pid = os.fork()
    if not pid:
        os._exit(code)
    sleep(0.5)  # the real one: it was imported before
    return pid

pid = ended(7)
print("by its number:", os.waitpid(pid, os.WNOHANG)[1], os.waitpid(pid, os.WNOHANG)[1])
for i in range(100):
    gevent.sleep(0.05)
    found, status = os.waitpid(pid, os.WNOHANG)
    if found:
        break
print("after turns of the loop:", status >> 8)
PY
seen=$(/usr/bin/python3 probe.py)
expect 'version' '22.10.2' "$(/usr/bin/python3 -c 'import gevent; print(gevent.__version__)')"
expect 'seen' $'by its number: 0 0\nafter turns of the loop: 7' "$seen"
