"""What a template must not have open when it forks: workers would share it, and
read each other's answers."""

import os
import stat
import sys

_ours = {}  # descriptor -> device and inode, of what was open before the application
_allowed = set()  # device and inode of what the application shares on purpose


def begin():
    """Notes what is open before the application is loaded."""
    for name in os.listdir("/proc/self/fd"):
        try:
            st = os.fstat(int(name))
        except OSError:
            continue  # it was that of the listing
        _ours[int(name)] = (st.st_dev, st.st_ino)


def allow(what):
    """Notes a descriptor, or what has a fileno(), as shared on purpose."""
    st = os.fstat(what if isinstance(what, int) else what.fileno())
    _allowed.add((st.st_dev, st.st_ino))


def prepare(hooks):
    """Runs the hooks of @wsgid.prefork and closes what frameworks can open anew."""
    for hook in hooks:
        hook()
    db = sys.modules.get("django.db")
    if db is not None:
        db.connections.close_all()  # each worker connects at its first query


def refusal(ours=()):
    """Why this process must not fork, or None. ours are descriptors to pass over."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd not in ours:
            kind = _kind(fd)
            if kind:
                found.append("descriptor %d, %s%s" % (fd, kind, _holder(fd)))
    if not found:
        return None
    return ("the application has something open that its workers, which are forked "
            "(workers.preload), would share, and read each other's answers from: " + "; ".join(sorted(found)))


HINT = ("open it in a function with @wsgid.postfork, or close it in one with @wsgid.prefork; "
        "what is shared on purpose is named with wsgid.shared(it)")


def _kind(fd):
    try:
        st = os.fstat(fd)
        identity = (st.st_dev, st.st_ino)
        if identity in _allowed or _ours.get(fd) == identity:
            return None
        if stat.S_ISSOCK(st.st_mode):
            return _socket(fd)
        # gevent and eventlet have these for their hubs, which workers make anew.
        if "gevent" in sys.modules or "eventlet" in sys.modules:
            return None
        if stat.S_ISFIFO(st.st_mode):
            return "a pipe"
        if os.readlink("/proc/self/fd/%d" % fd) == "anon_inode:[eventpoll]":
            return "an epoll"
    except OSError:
        pass  # it is closed meanwhile
    return None


def _socket(fd):
    import _socket as C

    other = C.socket(fileno=os.dup(fd))
    try:
        family = {C.AF_INET: "TCP", C.AF_INET6: "TCP", C.AF_UNIX: "unix"}.get(other.family, "other")
        if other.type == C.SOCK_DGRAM:
            if other.family == C.AF_UNIX:
                return None  # of syslog: each message is whole, and none is read
            family = "UDP"
        text = "%s %s socket" % ("an" if family == "other" else "a", family)
        try:
            peer = other.getpeername()
        except OSError:
            return text + " that is not connected"
        if isinstance(peer, tuple):
            peer = ("[%s]:%d" if ":" in peer[0] else "%s:%d") % peer[:2]
        elif isinstance(peer, bytes):
            peer = peer.decode("utf-8", "replace")
        return "%s connected to %s" % (text, peer or "a process of its own choice")
    finally:
        other.close()


def _holder(fd):
    """Where the object is that has the descriptor, if it can be found."""
    import gc

    for name, module in list(sys.modules.items()):
        for key, value in list(getattr(module, "__dict__", {}).items()):
            if _has(value, fd):
                return " (%s.%s, a %s)" % (name, key, _type(value))
    for value in gc.get_objects():
        if _has(value, fd):
            return " (a %s)" % _type(value)
    return ""


def _has(value, fd):
    # Asked of the type first: an instance may do anything when it is asked.
    if not callable(getattr(type(value), "fileno", None)):
        return False
    try:
        return value.fileno() == fd
    except Exception:
        return False


def _type(value):
    return "%s.%s" % (type(value).__module__, type(value).__qualname__)
