"""The zygote: a Python without an application, which masters and their workers are
forked from, so that a worker costs a fork instead of an interpreter's start and
shares its pages with all others.

The daemon keeps one for each interpreter, user and locale. For a master it forks a
process whose parent is the daemon. That process forks the stem, and executes the
master's program: so the stem is a child of the master. It becomes the app's user
before it does anything else, runs nothing of the app, and forks the workers, which
are children of the master too, as those that the master starts by itself. The first
worker is forked beside the stem, and waits until the master says what it is: it is
there when the master has started, and costs one fork where the stem takes two.
Nothing that runs needs the zygote.

What differs by app a worker does in begin(), before it loads anything of the app.
"""

import _ctypes
import _signal
import gc
import os
import sys
from fcntl import F_DUPFD_CLOEXEC, fcntl

from . import hidden, link, sites

_MOST = 253  # SCM_MAX_FD of Linux
_SOCKET = 3  # the zygote's to the daemon
_NAMES = link.MAX_MESSAGE - 1024
_CLONE_PARENT = 0x8000
_CLONE = {"x86_64": 56, "aarch64": 220, "riscv64": 220}
_SET_PDEATHSIG, _SET_NO_NEW_PRIVS = 1, 38
# What the interpreter has put into its environment by itself: the locale.
_coerced = {}
_POPULATE_READ = 22  # MADV_POPULATE_READ
_GAP = 16  # pages that are not in use are mapped with what is around them, as the kernel does
_program, _calls = [], []


class _Pointer(_ctypes._SimpleCData):
    _type_ = "P"


def run(arguments, prepare_streams):
    """Serves the daemon. Returns in workers only. The arguments are the user to become:
    "uid:gid:group,…", or nothing, and the names of the environment it was given."""
    user, given = arguments
    # Nor does a worker that a master starts ignore what who started the daemon ignores,
    # as nohup does: a master has handlers, which end where a program begins.
    for number in _signal.valid_signals():
        if number not in (_signal.SIGPIPE, _signal.SIGXFSZ) and _signal.getsignal(number) == _signal.SIG_IGN:
            _signal.signal(number, _signal.default_int_handler if number == _signal.SIGINT else _signal.SIG_DFL)
    # What every worker needs is here when it is forked. site does nothing yet, with -S.
    for name in ("marshal", "site", "wsgid.loading", "wsgid.response", "wsgid.serve"):
        __import__(name)
    # What a careless starter of the daemon has left open is not ours to give away.
    for number in os.listdir("/proc/self/fd"):
        if int(number) > _SOCKET:
            try:
                os.close(int(number))
            except OSError:
                pass  # that of the listing
    for name in os.environ:
        if name not in given.split(","):
            _coerced[name] = os.environ[name]
    _forget_no_site()
    sites.prepare(bool(user) or os.getuid() == 0)
    prepare_streams()
    clone, child = _cloner(_CLONE_PARENT), _cloner(0)
    sock = _socket_of(_SOCKET)
    os.set_inheritable(_SOCKET, False)
    hidden.name("wsgid-z", "%d.%d" % sys.version_info[:2])
    _note_program()
    # What is frozen now is never written to by the collector: it stays shared.
    gc.collect()
    gc.freeze()
    if not _introduce(sock):
        link.leave(1)
    while True:
        message, fds = link.receive_descriptors(sock, 1)
        if not message:
            link.leave(0)
        if len(fds) != 1:
            continue
        sock.send(b"go on")
        # All of it before the fork: what is written to after one is copied.
        order = _order(fds[0], message.decode(), user)
        pid = clone() if order else -1
        if not pid:
            _map_program()
            sock.close()
            try:
                if _master(child, *order):
                    return
            finally:
                if os.getpid() != _worker:
                    os._exit(127)
            return
        if order:
            order[0].close()
            for fd in order[1]:
                os.close(fd)
        sock.send(b"%d" % pid)


_worker = 0  # the process that is one, when it is one


def _files():
    """What must be the same still when a worker is forked, or this is out of date. Ours
    is named after what it holds."""
    ours = os.path.dirname(os.path.dirname(link.__file__))
    names = {sys.executable, os.path.dirname(os.__file__)}
    names.update(p for p in sys.path if os.path.isdir(p))
    if sites.done:
        names.update(sites.files())
    names.update(m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None))
    return sorted(name for name in names if name.startswith("/") and not name.startswith(ours))


def _introduce(sock):
    """Tells the daemon what is loaded, which every master keeps, and looks at before it
    forks a worker. Returns whether that is little enough for one message."""
    files = _files()
    length = len(link.to_json(files))
    if length > _NAMES:
        link.tell(sock, link.READY, {"error": "it loads %d files, whose names take %d bytes; %d can be watched for changes" % (
            len(files), length, _NAMES)})
        return False
    try:
        link.tell(sock, link.READY, {"files": files})
    except OSError as exc:
        link.tell(sock, link.READY, {"error": "the names of the %d files that it loads, %d bytes, cannot be sent: %s; is the sysctl net.core.wmem_max too low?" % (
            len(files), length, exc.strerror)})
        return False
    return True


def _note_program():
    """Notes which pages of the program and its libraries are in use: a fork does not
    copy their part of the page tables, and a child would fault them in one by one."""
    page = os.sysconf("SC_PAGE_SIZE")
    try:
        with open("/proc/self/maps") as maps, open("/proc/self/pagemap", "rb", 0) as pages:
            for line in maps:
                words = line.split()
                if len(words) < 6 or not words[5].startswith("/") or words[1] not in ("r-xp", "r--p"):
                    continue
                begin, end = (int(n, 16) // page for n in words[0].split("-"))
                there = [begin + i for i, n in enumerate(memoryview(os.pread(pages.fileno(), 8 * (end - begin), 8 * begin)).cast("Q"))
                         if n >> 63]
                for at in there:
                    if _program and at - _program[-1][1] < _GAP:
                        _program[-1][1] = at + 1
                    else:
                        _program.append([at, at + 1])
        madvise = _ctypes.dlsym(_ctypes.dlopen(None, 2), "madvise")
    except (OSError, ValueError):
        del _program[:]  # who is not root and hides itself may not look
        return
    _calls[:] = [(madvise, (_Pointer(begin * page), _Pointer((end - begin) * page), _POPULATE_READ)) for begin, end in _program]


def _map_program():
    """Maps in a child what its parent uses of the program. A kernel before 5.14 refuses."""
    for call in _calls:
        _ctypes.call_function(*call)


def _forget_no_site():
    """Has sys.flags say what it says in a worker that starts by itself: what of the
    interpreter's site-packages it runs depends on the user and the virtualenv, so that
    each worker does it, see begin(). Programs that the application starts by these flags,
    as multiprocessing does, must do it as well."""
    names = [field.split("=")[0].strip() for field in repr(sys.flags)[len("sys.flags("):-1].split(",")]
    put = _ctypes.dlsym(_ctypes.dlopen(None, 2), "PyStructSequence_SetItem")
    _ctypes.call_function(put, (_Pointer(id(sys.flags)), _Pointer(names.index("no_site")), _Pointer(id(0))))
    if sys.flags.no_site != 0:
        link.leave(1)


def _cloner(flags):
    """A function that forks without what the C library does then: what that keeps of a
    process is still that of this one. It is for children that only fork or execute."""
    number = _CLONE[os.uname().machine]
    call = _ctypes.dlsym(_ctypes.dlopen(None, 2), "syscall")
    arguments = (number, flags | int(_signal.SIGCHLD), 0, 0, 0, 0)
    return lambda: _ctypes.call_function(call, arguments)


def _order(conn, app, user):
    """What _master takes: how a master is started, as the socket says. None: it is not."""
    sock = _socket_of(conn)
    message, fds = b"", []
    while True:
        part, more = link.receive_descriptors(sock, _MOST)
        fds += more
        if part == b"\0":
            break
        if not part:
            message = b""
            break
        message += part
    words = message.split(b"\0")
    if not message or len(fds) < 5:
        sock.close()
        for fd in fds:
            os.close(fd)
        return None
    end = 1 + int(words[0])
    return sock, fds, words[1:end], dict(word.partition(b"=")[::2] for word in words[end:]), app, user


def _master(clone, sock, fds, arguments, environ, app, user):
    """Forks the stem and the first worker, and executes the master. Returns True in a
    worker, and else only where there is nothing to execute."""
    import _socket

    os.setsid()
    me = link.getpid()
    pairs = [_socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET) for _ in range(2)]
    for spare, (_, theirs) in enumerate(pairs):
        if not (link.fork() if spare else clone()):
            for fd in fds:
                os.close(fd)
            for other in (sock,) + pairs[0] + pairs[1]:
                if other is not theirs:
                    other.close()
            return _wait(theirs, app, user, me, bool(spare))
        theirs.close()
    try:
        fds = [fcntl(fd, F_DUPFD_CLOEXEC, 300) for fd in fds[:-1] + [ours.fileno() for ours, _ in pairs] + fds[-1:]]
        if sock.fileno() <= len(fds):
            sock = _socket.socket(fileno=fcntl(sock.detach(), F_DUPFD_CLOEXEC, 300))
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        os.chdir("/")
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
            _signal.signal(number, _signal.SIG_DFL)
        os.execve("/proc/self/fd/%d" % (len(fds) - 1), arguments, environ)
    except OSError as exc:
        sock.send(("%s" % exc).encode())
    return False


def _wait(sock, app, user, master, spare):
    """Becomes the app's user and waits for what the master says: to fork a worker or a
    spare one, or, where it is a spare one, to be a worker. Returns True in workers."""
    _map_program()
    os.setpgid(0, 0)
    if user:
        uid, gid, groups = user.split(":")
        os.setgroups([int(g) for g in groups.split(",") if g])
        os.setgid(int(gid))
        os.setuid(int(uid))
    hidden.hide()
    _die_with(master)
    hidden.name("wsgid-w" if spare else "wsgid-s", app)
    try:
        link.tell(sock, link.READY, {"pid": os.getpid()})
        while True:
            message, fds = link.receive_descriptors(sock, _MOST)
            if not message or message[0] != link.FORK or not fds or spare and len(fds) == 1:
                os._exit(0)
            answer = None if spare else _fork()
            if answer:
                for fd in fds:
                    os.close(fd)
                link.tell(sock, link.FORK, answer)
                continue
            sock.close()
            if len(fds) > 1:
                _become(fds)
                return True
            # It is the next spare one. That the master dies it sees by its socket.
            spare, sock = True, _socket_of(fds[0])
            os.setpgid(0, 0)
            hidden.name("wsgid-w", app)
            link.tell(sock, link.READY, {"pid": os.getpid()})
    except OSError:
        os._exit(0)  # the master is gone


def _socket_of(fd):
    import _socket

    return _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)


def _fork():
    """Forks a worker; what to tell the master of it, or None in the worker. One between
    forks it and ends: so it is a child of the master, who adopts what is left behind."""
    take, put = os.pipe()
    try:
        between = link.fork()
    except OSError as exc:
        os.close(take)
        os.close(put)
        return {"error": "cannot fork a worker: %s" % exc.strerror}
    if not between:
        try:
            pid = link.fork()
            if not pid:
                _map_program()
                os.close(take)
                os.close(put)
                return None
            os.write(put, b"%d" % pid)
        except OSError as exc:
            os.write(put, ("-%s" % exc.strerror).encode())
        os._exit(0)
    os.close(put)
    text = os.read(take, 200).decode()
    os.close(take)
    link.waitpid(between, 0)
    if text.isdigit():
        return {"pid": int(text)}
    return {"error": "cannot fork a worker: " + (text[1:] or "it was ended")}


def _become(fds):
    """Gives the descriptors the numbers that a worker has them by."""
    global _worker
    _worker = os.getpid()
    os.setpgid(0, 0)  # what it starts can be ended with it
    high = [fcntl(fd, F_DUPFD_CLOEXEC, 300) for fd in fds]
    for fd in fds:
        os.close(fd)
    null, log, rest = high[0], high[1], high[2:]
    for number, fd in enumerate([null, log, log] + rest):
        os.dup2(fd, number)
    for fd in high:
        os.close(fd)


def _die_with(parent):
    hidden.control(_SET_PDEATHSIG, int(_signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def begin(start, script, app):
    """Makes this process what a worker is that was started by itself, but for what
    doc.go lists. It raises where it cannot."""
    import time

    _die_with(start["master"])
    # Whom a folder on the way keeps out could not have started by himself.
    for path, how in ((start["python"], os.X_OK), (script, os.R_OK)):
        if not os.access(path, how):
            raise OSError("%s is closed to its user" % path)
    if start["bound"]:
        hidden.control(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Beside os.environ, whose functions would cost each worker memory of its own.
    data = os.environ._data
    for name in data:
        os.unsetenv(name)
    data.clear()
    for word in start["environ"]:
        name, _, value = os.fsencode(word).partition(b"=")
        data[name] = value
        os.putenv(name, value)
    for name, value in _coerced.items():
        os.environ.setdefault(name, value)
    time.tzset()
    os.chdir(start["directory"])
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = [start["python"], "-u", script, app]
    sys.argv[:] = [script, app]
    sites.begin()
    ours = sys.modules["wsgid"]
    for module in ("zygote", "sites"):
        del sys.modules["wsgid." + module]
        delattr(ours, module)
