#!/usr/bin/env bash
# SQLite 3.40.1 (Debian 12: libsqlite3-0 3.40.1-2+deb12u2, with python3 3.11.2)
#
# Guess: "do not carry a connection across a fork" is about one that is at work. One that
# has nothing under way may be used by the child: SQLite takes its locks anew for each
# transaction.
# What happens: with journal_mode=WAL a connection holds one lock all its life, by which
# others know that it is there. A child has not got it, as the kernel gives locks of fcntl to
# no child. When the parent has ended, whoever else closes the database takes
# himself for the last one, and removes the WAL. What the child commits from then on
# goes into a file without a name: it reads it back, and it is lost when the child ends.
# Who is hurt: who opens a database in a process from which workers are forked
# (gunicorn --preload, uWSGI without lazy-apps): the first "sqlite3 site.db" of
# an operator, or a task of cron, while the parent is gone and workers still serve.
. "$(dirname "$(readlink -f "$0")")/lib"
debian libsqlite3-0=3.40.1-2+deb12u2
LD_LIBRARY_PATH=$(printf '%s:' "$WORK"/root/usr/lib/*/)
export LD_LIBRARY_PATH
cat >probe.py <<'PY'
import os
import sqlite3
import subprocess
import sys

mode, path = sys.argv[1], sys.argv[1] + ".db"
another = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.execute('select * from t').fetchall()\nc.close()"

def connect():
    return sqlite3.connect(path, isolation_level=None)

def rows(c):
    return ",".join(x for x, in c.execute("select x from t"))

c = connect()
c.execute("pragma journal_mode=" + mode)
c.execute("create table t(x)")
c.close()
gone, end = os.pipe()
if not os.fork():  # the parent of the one that is asked about
    c = connect()
    rows(c)
    if os.fork():
        os._exit(0)
    os.close(end)
    os.read(gone, 1)  # until the parent has ended
    c.execute("insert into t values('before')")
    subprocess.run([sys.executable, "-c", another, path], check=True)
    c.execute("insert into t values('after')")
    print("the child reads", rows(c), flush=True)
    os._exit(0)
os.close(end)
os.wait()
PY
cat >after.py <<'PY'
import sqlite3, sys
print("then there are", ",".join(x for x, in sqlite3.connect(sys.argv[1]).execute("select x from t")))
PY
seen() { /usr/bin/python3 probe.py "$1" | cat && /usr/bin/python3 after.py "$1.db"; }
expect 'version' '3.40.1' "$(/usr/bin/python3 -c 'import sqlite3; print(sqlite3.sqlite_version)')"
expect 'with a rollback journal' $'the child reads before,after\nthen there are before,after' "$(seen delete)"
expect 'with a WAL' $'the child reads before,after\nthen there are before' "$(seen wal)"
