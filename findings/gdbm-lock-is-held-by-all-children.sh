#!/usr/bin/env bash
# GNU dbm 1.23 (Debian 12: python3-gdbm 3.11.2-3 with libgdbm6 1.23-3)
#
# Guess: a dbm.gnu file (and a shelve, which takes it where it is there) that is open for
# writing is locked: a second writer is refused, so that nothing is lost.
# What happens: a second process that opens it is refused. Children of the one that has it open
# are not: the lock is one of flock, which belongs to all who have inherited the
# descriptor. Each writes what it knows of the file over what the others wrote; no call
# fails, and half of the keys are gone.
# Who is hurt: sessions and counters in a shelve that a module opens, in an application
# that is loaded before the fork of its workers.
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-gdbm=3.11.2-3 libgdbm6=1.23-3
LD_LIBRARY_PATH=$(printf '%s:' "$WORK"/root/usr/lib/*/)
PYTHONPATH=$WORK/root/usr/lib/python3.11/lib-dynload
export LD_LIBRARY_PATH PYTHONPATH
cat >probe.py <<'PY'
import dbm.gnu
import os
import subprocess
import sys

db = dbm.gnu.open("db", "n")
db["first"] = "v"
second = "import dbm.gnu\ntry:\n dbm.gnu.open('db', 'w')\nexcept dbm.gnu.error as exc:\n print('a second process:', exc.strerror)"
subprocess.run([sys.executable, "-c", second], check=True)
for child in "ab":
    if not os.fork():
        for i in range(20):
            db["%s%d" % (child, i)] = "v" * 50
        db.sync()
        print("a child has written 20", flush=True)
        os._exit(0)
    os.wait()  # one after the other
db.close()
print("there are", len(dbm.gnu.open("db").keys()))
PY
expect 'seen' 'a second process: Resource temporarily unavailable
a child has written 20
a child has written 20
there are 21' "$(/usr/bin/python3 probe.py)"
