#!/usr/bin/env bash
# CPython 3.11.2 (Debian 12: python3.11 3.11.2-6+deb12u9)
#
# Guess: a tempfile.TemporaryDirectory is removed by the process that made it. What is forked
# from that one leaves it alone, as children of multiprocessing do, and as multiprocessing's own
# folders check whose they are.
# What happens: the removal is a finalizer that runs at the end of an interpreter, whichever
# that is: the first child of os.fork() that ends in an orderly way removes the folder
# of its parent and of all its siblings. shutil.rmtree given to atexit.register, as
# matplotlib does for its configuration where HOME cannot be written to, is the same.
# Who is hurt: whose application makes a folder at import (a cache, a key that is written
# to a file, fonts) and is loaded before the fork of its workers: it works until the first
# worker is replaced, and all others then miss their files.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >probe.py <<'PY'
import atexit
import multiprocessing
import os
import shutil
import sys
import tempfile

folder = tempfile.TemporaryDirectory(dir=".")
other = tempfile.mkdtemp(dir=".")
atexit.register(shutil.rmtree, other, True)

def there():
    return [os.path.isdir(folder.name), os.path.isdir(other)]

child = multiprocessing.get_context("fork").Process(target=print, args=("a child of multiprocessing:", there()))
child.start()
child.join()
print("behind it:", there(), flush=True)
if not os.fork():
    sys.exit()
os.wait()
print("behind a child of os.fork():", there())
PY
expect 'version' '3.11.2' "$(/usr/bin/python3 -c 'import platform; print(platform.python_version())')"
expect 'seen' 'a child of multiprocessing: [True, True]
behind it: [True, True]
behind a child of os.fork(): [False, False]' "$(/usr/bin/python3 probe.py)"
