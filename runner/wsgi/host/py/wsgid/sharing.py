"""What a template must not have when it forks: what it has open, workers would
share, and read each other's answers; what it has locked, they would take for theirs;
for threads of a library they would wait."""

import os
import stat
import sys
from io import open  # the application may put one of its own in its place

_ours = {}  # descriptor -> device and inode, of what was open before the application
_allowed = set()  # device and inode of what the application shares on purpose
_names = set()  # of this process, which threads have that were given none


def begin():
    """Notes what is open before the application is loaded."""
    _names.add(_called("/proc/self"))
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
    """Runs the hooks of @wsgid.prefork and closes what frameworks can open anew. What
    there is to warn of."""
    for hook in hooks:
        hook()
    db = sys.modules.get("django.db")
    if db is not None:
        db.connections.close_all()  # each worker connects at its first query
    return [text for text in (_rest_openmp(), _locked(), _threads()) if text]


def refusal(ours=()):
    """Why this process must not fork, or None. ours are descriptors to pass over."""
    found, databases = [], []
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd not in ours:
            kind = _kind(fd)
            if kind == _DATABASE:
                databases.append("%s (descriptor %d)" % (os.readlink("/proc/self/fd/%d" % fd), fd))
            elif kind:
                found.append("descriptor %d, %s%s" % (fd, kind, _holder(fd)))
    reasons = []
    if found:
        reasons.append("the application has something open that its workers, which are forked "
                       "(workers.preload), would share, and read each other's answers from: " + "; ".join(sorted(found)))
    if databases:
        reasons.append("the application has an SQLite database with a WAL open, %s, and its workers, which are forked "
                       "(workers.preload), would not have the lock that keeps others from removing the WAL: what "
                       "they commit could be lost" % ", ".join(sorted(databases)))
    return "; ".join(reasons) or None


HINT = ("open it in a function with @wsgid.postfork, or close it in one with @wsgid.prefork; "
        "what is shared on purpose is named with wsgid.shared(it)")


# With a rollback journal SQLite takes its locks anew for each transaction.
_DATABASE = "an SQLite database with a WAL"


def _kind(fd):
    try:
        st = os.fstat(fd)
        identity = (st.st_dev, st.st_ino)
        if identity in _allowed or _ours.get(fd) == identity:
            return None
        if stat.S_ISSOCK(st.st_mode):
            return _socket(fd)
        if stat.S_ISREG(st.st_mode):
            head = os.pread(fd, 20, 0)
            return _DATABASE if head[:16] == b"SQLite format 3\0" and head[18:19] == b"\2" else None
        # gevent and eventlet have these for their hubs, which workers make anew.
        if "gevent" in sys.modules or "eventlet" in sys.modules:
            return None
        if stat.S_ISFIFO(st.st_mode):
            return "a pipe"
        # Each event goes to whoever of them reads first.
        return {"anon_inode:[eventpoll]": "an epoll", "anon_inode:inotify": "an inotify"}.get(os.readlink("/proc/self/fd/%d" % fd))
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


def is_file(fd):
    """Whether it is a file that the application has opened, and does not share on purpose."""
    st = os.fstat(fd)
    identity = (st.st_dev, st.st_ino)
    return stat.S_ISREG(st.st_mode) and identity not in _allowed and _ours.get(fd) != identity


def locks(fd):
    """The locks of it, as the kernel lists them: the third word is the kind, the fifth READ or WRITE."""
    with open("/proc/self/fdinfo/%d" % fd) as f:
        return [line.split() for line in f if line.startswith("lock:")]


def _locked():
    """The files that were locked while the application was loaded, in words: a lock of
    flock is the workers' too, all of them hold it, one of fcntl is not."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            held = locks(int(name)) if is_file(int(name)) else ()
            path = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue  # it is closed meanwhile
        for lock in held:
            if len(lock) > 4 and lock[4] == "WRITE":
                found.append("%s (%s)" % (path, "fcntl: none of them holds it" if lock[2] == "POSIX"
                                          else "flock: all of them hold it"))
    if not found:
        return None
    return ("the application has locked a file while it was loaded, and its workers, which are forked "
            "(workers.preload), would each take the lock for theirs: %s; lock it in a function with "
            "@wsgid.postfork" % ", ".join(sorted(set(found))))


def _called(at):
    """The name of a thread; at: its folder in /proc, or /proc/self for the first one, by no
    number, as the application may have replaced os.getpid."""
    with open(at + "/comm") as f:
        return f.read().rstrip("\n")


def _threads():
    """The threads that a library has started and named, as GLib does, in words: the module
    threading knows nothing of them. Those without a name are not told of: OpenBLAS has
    such, and ends them before a fork by itself."""
    threading = sys.modules.get("threading")
    known = {t.native_id for t in threading.enumerate()} if threading is not None else set()
    plain = _names | {_called("/proc/self"), "jemalloc_bg_thd"}
    found = set()
    for name in os.listdir("/proc/self/task"):
        try:
            called = _called("/proc/self/task/" + name)
        except OSError:
            continue  # it has ended meanwhile
        if int(name) not in known and called not in plain:
            found.add(called)
    if not found:
        return None
    return ("a library has started threads while the application was loaded (%s), which do not exist in the workers, "
            "which are forked (workers.preload): what waits for one of them waits for ever; use the library in a "
            "function with @wsgid.postfork first, or take preload away" % ", ".join(sorted(found)))


def _rest_openmp():
    """Has OpenMP of GCC let its threads go. It keeps them from one loop to the next and
    knows of no forks: a worker would wait for them for ever."""
    try:
        with open("/proc/self/maps") as f:
            paths = {line[line.index("/"):].rstrip("\n") for line in f if "/libgomp" in line}
    except OSError:
        return None
    awake = []
    for path in sorted(paths):
        try:
            import ctypes

            if ctypes.CDLL(path).omp_pause_resource_all(2):  # omp_pause_hard
                awake.append(path)
        except (ImportError, OSError, AttributeError):  # one of GCC 8 and older has no such call
            awake.append(path)
    threading = sys.modules.get("threading")
    known = threading.active_count() if threading is not None else 1
    if not awake or len(os.listdir("/proc/self/task")) <= known:
        return None
    return ("the application has used OpenMP while it was loaded, whose threads (of %s) its workers, which are forked "
            "(workers.preload), would wait for for ever: use it in a function with @wsgid.postfork first, or take "
            "preload away" % ", ".join(awake))
