"""The messages between a worker and its master, see runner/wsgi/doc.go."""

import _thread
import os
import sys
import time
from _struct import Struct

# Taken before the application is loaded, for every module of ours: gevent,
# eventlet, freezegun and others put functions of their own in the place of
# these, which do something else.
dup2, fork, getpid, waitpid = os.dup2, os.fork, os.getpid, os.waitpid
monotonic = time.monotonic
allocate_lock, start_thread = _thread.allocate_lock, _thread.start_new_thread
get_native_id = _thread.get_native_id

HEADER = Struct("<BBxxI")  # type, flags, sequence number
SIZED = Struct("<BBxxII")  # the same and the length of what follows
FILE = Struct("<BBxxIQQ")  # the same and offset, length

INIT, REQUEST, REQUESTS, BODY, QUIT, FORK = b"Irsbqp"
READY, FAILED, HEAD, DATA, PART, END, ABORT, EXITED, NUDGE, WANTED = b"kxhdfeawnc"

LAST = 1  # flag: nothing follows
BODY_FILE = 2  # flag: the body follows as a descriptor
BODY_STREAM = 4  # flag with it: which is a pipe
BODY_PIPES = 8  # flag with it: or several, which have all of it

MOST_PIPES = 16

MAX_MESSAGE = 160 << 10
ROOM = MAX_MESSAGE - SIZED.size  # for head and body in one message
SHARED_FD = 3
ABORTS = 4096  # bytes of the abort table, at the start of the shared memory
THREADS = 40960  # where a number of four bytes for each slot is: who serves it
NOBODY = -1
FIRST_SLOT = 4

_RIGHTS = Struct("i")
_aborts = None
_identity = None
views = []  # of the shared memory, to be released where it is no longer ours
config = {}  # what the master says of this worker in its first message


class Failed(Exception):
    """The application cannot be loaded, for a reason that no exception of
    Python's tells as well: the words of FAILED."""

    def __init__(self, reason, hint="", file="", line=0):
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.file = file
        self.line = line
        self.module = ""  # of the app, in which something is missed


class Misuse(Exception):
    """The application broke a rule where none of its code is on the stack: the
    message says it all, a traceback would only show the host."""


def note_shared():
    """SHARED_FD is the memory that is shared with the master, from now on."""
    global _aborts, _identity
    _identity = os.fstat(SHARED_FD)[1:3]  # inode and device
    _aborts = None


def shared():
    """SHARED_FD, if it still is what it was: the application may have closed it
    and opened something else. Raises OSError where it is not."""
    if os.fstat(SHARED_FD)[1:3] != _identity:
        raise OSError("descriptor %d is another one" % SHARED_FD)
    return SHARED_FD


def aborts():
    """The abort table as a sequence of numbers. It is mapped when the first
    streamed response looks at it: most applications never stream."""
    global _aborts
    if _aborts is None:
        try:
            from mmap import PROT_READ, mmap

            _aborts = memoryview(mmap(shared(), ABORTS, prot=PROT_READ)).cast("I")
        except (OSError, ImportError):
            _aborts = (0,) * (ABORTS // 4)  # nobody tells us any more
    return _aborts


def note_thread(index, number):
    """Notes which thread of this process serves a slot, so that the master finds the one
    whose stack it is asked for. The first slot is the main thread's: there NOBODY says
    that none of them may be asked."""
    try:
        os.pwrite(shared(), _RIGHTS.pack(number), THREADS + 4 * index)
    except OSError:
        pass  # there will be no stack


def socket_of(fd):
    """The socket of a slot. The C module is used directly: the socket module
    costs more than everything else that a worker imports."""
    from _socket import AF_UNIX, SOCK_SEQPACKET, socket

    os.set_inheritable(fd, False)
    sock = socket(AF_UNIX, SOCK_SEQPACKET, 0, fd)
    sock.settimeout(None)  # whatever socket.setdefaulttimeout() was told
    return sock


def receive_descriptors(sock, most):
    """Reads one message: (its bytes, its descriptors)."""
    data, controls, _, _ = sock.recvmsg(4096, 32 + 4 * most, 0x40000000)  # MSG_CMSG_CLOEXEC
    fds = []
    for _, kind, raw in controls:
        if kind == 1:  # SCM_RIGHTS
            fds.extend(fd for fd, in _RIGHTS.iter_unpack(raw[: len(raw) // 4 * 4]))
    return data, fds


def send_descriptor(sock, data, fd):
    sock.sendmsg([data], [(1, 1, _RIGHTS.pack(fd))])  # SOL_SOCKET, SCM_RIGHTS


def tell(sock, kind, fields):
    """Sends a message whose payload is JSON."""
    sock.send(HEADER.pack(kind, 0, 0) + to_json(fields).encode("ascii"))


def to_json(value):
    # Importing json would cost a worker 3 ms, for one message of six fields.
    if value is True or value is False or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, dict):
        return "{%s}" % ",".join(_quote(k) + ":" + to_json(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return "[%s]" % ",".join(map(to_json, value))
    return _quote(str(value))


def _quote(text):
    out = []
    for c in text:
        n = ord(c)
        if 32 <= n < 127 and c not in '"\\':
            out.append(c)
        elif n < 0x10000:
            out.append("\\u%04x" % n)
        else:
            n -= 0x10000
            out.append("\\u%04x\\u%04x" % (0xD800 | n >> 10, 0xDC00 | n & 0x3FF))
    return '"%s"' % "".join(out)


def say(text):
    """Writes to the log, also where the application has put something else in
    the place of sys.stderr that cannot be written to."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except Exception:
        try:
            os.write(2, text.encode("utf-8", "backslashreplace"))
        except OSError:
            pass  # nobody is left to be told


def leave(code):
    """Ends the process at once: no atexit, no threads waited for."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    os._exit(code)
