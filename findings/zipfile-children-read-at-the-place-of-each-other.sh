#!/usr/bin/env bash
# CPython 3.11.2 (Debian 12: python3.11 3.11.2-6+deb12u9)
#
# Guess: a zipfile.ZipFile (or a tarfile, or any file that is only read) which is opened before a fork
# may be read by all children: each has an object of its own, nobody writes, and ZipFile has
# a lock for those who read at once.
# What happens: the place in the file is the kernel's, one for parent and children, and the lock is one
# of threads. Between the seek of one child and its read another one has moved on: members come
# with the bytes of others. ZipFile notices by its checksums, as BadZipFile or an error of zlib, of a
# file in which "zip -T" finds nothing; a plain seek and read notices nothing.
# Who is hurt: an application that opens its data, templates or pictures in an archive at import, and is
# loaded before the fork of its workers (gunicorn --preload): damage now and then, under load alone.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >probe.py <<'PY'
import os
import platform
import sys
import zipfile

with zipfile.ZipFile("data.zip", "w", zipfile.ZIP_STORED) as z:
    for name in "ab":
        z.writestr(name, name.encode() * 300000)
shared = zipfile.ZipFile("data.zip")

def spoilt(archive):
    n = 0
    for _ in range(300):
        for name in "ab":
            try:
                n += archive.read(name) != name.encode() * 300000
            except Exception:
                n += 1
    return n

def children(opened):
    pids = []
    for _ in range(4):
        pid = os.fork()
        if not pid:
            os._exit(spoilt(opened()) > 0)
        pids.append(pid)
    return "spoilt" if any([os.waitpid(pid, 0)[1] for pid in pids]) else "right"

print(platform.python_version())
print("four children, each with a file that it opens:", children(lambda: zipfile.ZipFile("data.zip")))
print("four children with the one of their parent:", children(lambda: shared))
print("the archive:", shared.testzip() or "right")
PY
expect 'seen' '3.11.2
four children, each with a file that it opens: right
four children with the one of their parent: spoilt
the archive: right' "$(/usr/bin/python3 probe.py)"
