#!/usr/bin/env bash
# libuuid 2.38.1 (Debian 12: libuuid1 2.38.1-5+deb12u3, with python3 3.11.2)
#
# Guess: uuid.uuid1() is unique on a machine whatever is forked there: clock, network card and
# a sequence number, which libuuid draws for each process and keeps in a file where it can.
# What happens: it is drawn once, by the first call. Children of a process that has made one
# number have the sequence number of that process, all of them; two that ask in the same
# microsecond get the same UUID. Processes that were started by themselves do not.
# Who is hurt: who makes keys by uuid1() in workers that are forked from an application which is
# loaded (gunicorn --preload, uWSGI), where a model or a default has called it at import:
# two rows of one key, seldom and under load alone. is_safe says "unsafe", which nobody asks.
. "$(dirname "$(readlink -f "$0")")/lib"
debian libuuid1=2.38.1-5+deb12u3
LD_LIBRARY_PATH=$(printf '%s:' "$WORK"/root/usr/lib/*/ "$WORK"/root/lib/*/)
export LD_LIBRARY_PATH
cat >probe.py <<'PY'
import os
import sys
import uuid

if sys.argv[1] == "before":
    uuid.uuid1()
for _ in range(8):
    if not os.fork():
        os.write(1, b"%d\n" % uuid.uuid1().clock_seq)
        os._exit(0)
for _ in range(8):
    os.wait()
PY
cat >many.py <<'PY'
import os
import uuid

uuid.uuid1()
pipes = []
for _ in range(4):
    r, w = os.pipe()
    if not os.fork():
        with open(w, "wb") as f:
            for _ in range(100000):
                f.write(uuid.uuid1().bytes)
        os._exit(0)
    os.close(w)
    pipes.append(r)
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as e:
    parts = list(e.map(lambda r: open(r, "rb").read(), pipes))
numbers = [part[i:i + 16] for part in parts for i in range(0, len(part), 16)]
print("some of 400000 are there twice" if len(set(numbers)) < len(numbers) else "all of 400000 differ")
PY
expect 'sequence numbers of 8 children, asked in them alone' '8' "$(/usr/bin/python3 probe.py after | sort -u | wc -l)"
expect 'asked in their parent before' '1' "$(/usr/bin/python3 probe.py before | sort -u | wc -l)"
expect 'of four children' 'some of 400000 are there twice' "$(/usr/bin/python3 many.py)"
