"""Imported by an interpreter that cannot run workers, before anything that it
may not understand: tells the master which one it is, and ends. It has to work on
Python 2.6 as well as on whatever else calls itself Python."""

import json
import os
import socket
import struct
import sys

_implementation = getattr(sys, "implementation", None)
_name = getattr(_implementation, "name", "cpython")
_found = "%s %d.%d" % (
    "Python" if _name == "cpython" else _name, sys.version_info[0], sys.version_info[1])
_reason = "cannot use %s: it is %s, and workers need CPython 3.8 or newer" % (
    sys.executable or "this interpreter", _found)

try:
    # See link.py: the first slot, a message of the type "failed".
    _sock = socket.fromfd(4, socket.AF_UNIX, socket.SOCK_SEQPACKET)
    _sock.send(struct.pack("<BBxxI", ord("x"), 0, 0) + json.dumps({
        "reason": _reason, "file": "", "line": 0, "traceback": "",
        "hint": "name a newer one with python or virtualenv",
    }).encode("ascii"))
except Exception:
    sys.stderr.write(_reason + "\n")
os._exit(1)
