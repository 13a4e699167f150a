"""The template of ``preload``: a process that has loaded the application and
serves nothing itself; every worker is forked from it and shares its memory."""

import _signal
import gc
import os
import sys
from fcntl import F_DUPFD_CLOEXEC, F_SETFL, F_SETOWN, F_SETSIG, fcntl

from _socket import timeout

from . import apart, ending, hidden, link, sharing
from .link import monotonic

_MOST = 253  # SCM_MAX_FD of Linux
# A worker that has ended is not reaped before the master, which is told its pid
# first, has had this many seconds to take hold of it.
_GRACE = 1.0
_children = {}  # pid -> when it may be reaped
_master = None  # the socket to it


def run(sock, ready, fail, end, adopt):
    """Forks workers for the master until it says quit. Returns in the workers
    only, whose slots adopt was given. fail tells the master of an exception, end is
    the end of a process that was told to quit."""
    global _master
    import wsgid

    _master = sock
    threading = sys.modules.get("threading")
    if threading is not None and threading.active_count() > 1:
        names = ", ".join(t.name for t in threading.enumerate()
                          if t is not threading.main_thread())
        ready["warnings"].append(
            "threads that were started while the application was loaded (%s) do not exist in "
            "the workers, which are forked: start them in a function with @wsgid.postfork" % names)
    try:
        ready["warnings"] += sharing.prepare(wsgid._before) + ending.settle()
        ending.end()
        problem = sharing.refusal()
    except BaseException as exc:
        fail(sock, exc)
    if problem:
        try:
            link.tell(sock, link.FAILED, {"reason": problem, "hint": sharing.HINT, "shares": True})
        except OSError:
            pass
        link.leave(1)
    # What is frozen now is never written to by the collector: it stays shared.
    gc.collect()
    gc.freeze()
    try:
        link.tell(sock, link.READY, ready)
    except OSError:
        link.leave(1)
    ready["warnings"] = []  # said once is enough
    if _signal.getsignal(_signal.SIGCHLD) == _signal.SIG_DFL:
        _signal.signal(_signal.SIGCHLD, _reap)
    while True:
        now = monotonic()
        young = any(when > now for when in _children.values())
        sock.settimeout(_GRACE / 2 if young else None)
        try:
            message, fds = link.receive_descriptors(sock, _MOST)
        except timeout:
            _reap()
            continue
        if not message:
            link.leave(1)
        _reap()
        if message[0] == link.QUIT:
            _outlive(sock)
            end()
        if message[0] != link.FORK:
            continue
        if len(fds) < 3:
            answer = {"error": "cannot fork a worker: %d descriptors came, not 3 or more" % len(fds)}
        else:
            answer = _answer(fds)
            if not answer:
                _become(fds, adopt)
                return
        for fd in fds:
            os.close(fd)
        try:
            link.tell(sock, link.FORK, answer)
        except OSError:
            link.leave(1)


def _outlive(sock):
    """Waits for the workers, who are draining: what is removed at the end of this
    process, as temporary folders, they may still read, and locks of it are for them."""
    while _children:
        sock.settimeout(_GRACE / 20)
        try:
            message, _ = link.receive_descriptors(sock, _MOST)
        except timeout:
            message = True
        if not message:
            link.leave(1)
        _reap()


def _answer(fds):
    """Forks a worker; what to tell the master of it, or None in the worker."""
    apart.count()
    problem = sharing.refusal(fds)  # a thread may have opened something since
    if problem:
        return {"error": problem, "hint": sharing.HINT, "shares": True}
    try:
        pid = _fork()
    except OSError as exc:
        return {"error": "cannot fork a worker: %s" % exc.strerror}
    if not pid:
        return None
    _children[pid] = monotonic() + _GRACE
    return {"pid": pid}


def _fork():
    # Python 3.12 warns of forks while there are threads; they were reported.
    if sys.version_info >= (3, 12):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return link.fork()
    return link.fork()


def _become(fds, adopt):
    """Makes this process a worker: fds are the log, the shared memory and
    the slots."""
    _children.clear()
    apart.renew()
    os.setpgid(0, 0)  # what it starts can be ended with it
    if _signal.getsignal(_signal.SIGCHLD) is _reap:
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    fds = [_above(fd) for fd in fds]
    log, shared = fds[:2]
    link.dup2(log, 1)
    link.dup2(log, 2)
    link.dup2(shared, link.SHARED_FD, False)
    os.close(log)
    os.close(shared)
    link.note_shared()
    # The slots stay where they came: the application may hold descriptors of
    # any number since it was loaded.
    slots = 2 + link.config.get("threads", 1)
    adopt([link.socket_of(fd) for fd in fds[2:slots]])
    for life in fds[slots:]:
        _die_with_master(life)
    hidden.name("wsgid-w", link.config.get("app"), instead="wsgid-t")
    _renew_hubs()


def _above(fd):
    """The descriptor, above those that have a fixed meaning: the application may
    have closed some of them, and what came was put in their place."""
    if fd > link.SHARED_FD:
        return fd
    moved = fcntl(fd, F_DUPFD_CLOEXEC, link.FIRST_SLOT)
    os.close(fd)
    return moved


def _renew_hubs():
    """The event loop of gevent or eventlet, where the application has one, is
    still the template's: their own fork would have done this, but would also
    have taken it on itself to wait for the children."""
    gevent = sys.modules.get("gevent")
    if gevent is not None:
        gevent.reinit()
    hubs = sys.modules.get("eventlet.hubs")
    if hubs is not None:
        hubs.use_hub()


def _die_with_master(life):
    """Has the kernel kill this process when the other end of a pipe is closed:
    the master is not its parent, and the application may hang."""
    fcntl(life, F_SETOWN, link.getpid())
    fcntl(life, F_SETSIG, int(_signal.SIGKILL))
    fcntl(life, F_SETFL, os.O_ASYNC)


def _reap(number=None, frame=None):
    """Tells the master of workers that have ended; it is not their parent."""
    now = monotonic()
    for pid, when in list(_children.items()):
        if when > now:
            continue
        try:
            done, status = link.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:
            _children.pop(pid, None)
            continue
        if not done:
            continue
        fields = {"pid": pid, "signal": 0, "code": 0}
        if os.WIFSTOPPED(status):
            fields["stopped"] = True
            _tell(fields)
            continue
        _children.pop(pid, None)
        if os.WIFSIGNALED(status):
            fields["signal"] = os.WTERMSIG(status)
        else:
            fields["code"] = os.WEXITSTATUS(status)
        _tell(fields)


def _tell(fields):
    try:
        link.tell(_master, link.EXITED, fields)
    except OSError:
        link.leave(1)
