"""A worker's life: read the configuration, load the application, say so, serve
until told to quit. Imports are late on purpose: see what a start costs with
``python3 -X importtime``."""

import _signal
import atexit
import gc
import os
import sys
from _thread import get_ident

from . import link
from .link import config

_owner = 0  # the process that may use the link
_prepared = False  # what all workers of a fork have in common is done
_sockets = []


def main(host):
    global _owner
    import marshal

    from .hidden import hide, name

    visible = hide()
    if len(sys.argv) > 2:
        from .zygote import run

        run(sys.argv[1:], prepare_streams)  # returns in workers only
    _owner = link.getpid()
    link.note_shared()
    first = link.socket_of(link.FIRST_SLOT)
    _sockets.append(first)
    message = first.recv(link.MAX_MESSAGE)
    if not message:
        link.leave(1)
    config.update(marshal.loads(memoryview(message)[link.HEADER.size:]))
    if "start" in config:
        _begin(first, host)
    config["app_path"] = config["app_path"].rstrip("/")  # "/" under chroot
    config["app_dir"] = _app_dir(config["app_path"], config.get("release"))
    name("wsgid-t" if config.get("preload") else "wsgid-w", config.get("app"))
    os.umask(config["umask"])
    if "limits" in config:
        from .limits import apply

        apply(config["limits"])
    _prepare(host)
    if not config.get("preload"):
        for index in range(1, config.get("threads", 1)):
            _sockets.append(link.socket_of(link.FIRST_SLOT + index))
    # Before the application is loaded, which may leave nothing to import with: no
    # descriptor, no search path, an import hook that raises.
    from .serve import serve

    if config.get("preload"):
        from .template import run
    if config.get("threads", 1) > 1:
        __import__("threading")
    if config.get("preload"):
        from . import ending, sharing

        sharing.begin()
        ending.begin()
    app, ready = _load(first)
    if visible:
        ready["warnings"].append(
            "other processes of the app's user can read this worker's memory and environment (%s)" % visible)
    if config.get("preload"):
        run(first, ready, _fail, _exit, adopt)  # returns in the workers only
    _start(_sockets[0], ready)
    _serve(serve, app)
    _exit()


def _begin(first, host):
    from .zygote import begin

    try:
        begin(config.pop("start"), host + "/wsgid_worker.py", config["app"])
    except Exception as exc:
        # Who starts it by itself finds the words.
        link.tell(first, link.FAILED, {"reason": str(exc) or type(exc).__name__, "plain": True})
        link.leave(1)


def prepare_streams():
    """Is done already where the worker is forked: writing to what all of them share
    costs each memory of its own."""
    global _prepared
    if _prepared:
        return
    _prepared = True
    import faulthandler

    # Whole lines, so that those of several workers do not mix in the log.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, write_through=False)
    faulthandler.enable()
    # For the master, who wants to know where a thread is: what writes it is no Python, and
    # waits for nothing. This signal is ignored by whoever does not handle it.
    faulthandler.register(_signal.SIGURG, file=link.SHARED_FD, all_threads=False)


def _prepare(host):
    import wsgid

    wsgid.__version__ = config.get("version", "")
    # The application's modules come first, ours last: a package of the
    # application may have the name of one of ours.
    rest = [p for p in sys.path if p != host]
    sys.path[:] = [config["app_dir"]] + rest + [host]
    sys.argv[:] = [""]
    prepare_streams()
    # The master decides when a worker ends. A handler, as ignored signals
    # would stay ignored in the programs that the application starts.
    for number in _ENDINGS:
        _signal.signal(number, _ignore)
    os.register_at_fork(
        before=_before_fork, after_in_parent=_forked, after_in_child=_after_fork)


def _app_dir(path, code):
    """The folder with the code. Where nobody says it, it is app/, or the app folder
    itself where that is a checkout: such a folder gets no app/."""
    if code:
        return path + "/" + code if code != "." else path or "/"
    app = path + "/app"
    if os.path.lexists(app):
        return app
    try:
        names = os.listdir(path or "/")
    except OSError:
        names = ()
    return (path or "/") if any(n.endswith(".py") or n in _PROJECT for n in names) else app


# As the function IsCheckout of package appspec has them.
_PROJECT = ("pyproject.toml", "setup.cfg", "requirements.txt", "Pipfile", "Procfile",
            "uv.lock", "poetry.lock", "tox.ini")


_ENDINGS = (_signal.SIGTERM, _signal.SIGINT)
_masks = {}  # thread -> its signal mask before the fork it is at


def _ignore(number, frame):
    pass


def _before_fork():
    # A signal must not find our handler in the child: it would be lost, and the
    # application waits for the child's end.
    _masks[get_ident()] = _signal.pthread_sigmask(_signal.SIG_BLOCK, _ENDINGS)


def _forked():
    _signal.pthread_sigmask(_signal.SIG_SETMASK, _masks.pop(get_ident()))


def _after_fork():
    """A process that the application forked must not speak to the master, and
    takes signals as any process does."""
    try:
        _leave_master()
    finally:
        _forked()


def _leave_master():
    for sock in _sockets:
        sock.close()
    for view in link.views:
        view.release()
    for number, usual in (
        (_signal.SIGTERM, _signal.SIG_DFL),
        (_signal.SIGINT, _signal.default_int_handler),
    ):
        try:
            if _signal.getsignal(number) is _ignore:
                _signal.signal(number, usual)
        except ValueError:
            pass  # not in the main thread of a subinterpreter


def adopt(sockets):
    """Makes this process, forked by the template, the owner of its slots."""
    global _owner
    for number in _ENDINGS:
        if _signal.getsignal(number) in (_signal.SIG_DFL, _signal.default_int_handler):
            _signal.signal(number, _ignore)
    _owner = link.getpid()
    _sockets[:] = sockets


def check_owner(exc=None):
    """Ends a process that the application forked, at import or in a request,
    and that came back here with or without an exception."""
    if link.getpid() == _owner:
        return
    if isinstance(exc, SystemExit):
        link.leave(exc.code if isinstance(exc.code, int) else exc.code is not None)
    text = "%s: a process that the application forked (pid %d) came back to the worker: " \
        "it ends here\n" % (config.get("app", ""), link.getpid())
    if exc is not None:
        from .failure import format_exception

        text += format_exception(exc)
    link.say(text)
    link.leave(0 if exc is None else 1)


def _load(first):
    from time import monotonic

    start = monotonic()
    try:
        from .loading import load

        app, ready = load(config)
    except BaseException as exc:
        check_owner(exc)
        _fail(first, exc)
    check_owner()
    ready["host"] = _host()
    ready["python"] = "%d.%d.%d" % sys.version_info[:3]
    ready["import_ms"] = round((monotonic() - start) * 1000, 3)
    return app, ready


def _host():
    """A name that Django does not refuse, for the master's health checks; "" where
    localhost is one."""
    django = sys.modules.get("django.conf")
    try:
        if django is None or not django.settings.configured:
            return ""
        names = [str(name) for name in django.settings.ALLOWED_HOSTS]
    except Exception:
        return ""
    if {"*", "localhost", ".localhost"}.intersection(names):
        return ""
    return names[0].lstrip(".") if names else ""


def _fail(sock, exc):
    try:
        from .failure import describe

        told = describe(exc, config)
    except Exception:  # it cannot be imported any more, see main
        told = {"reason": "%s: %s" % (type(exc).__name__, exc), "file": "", "line": 0, "traceback": "", "hint": ""}
    try:
        link.tell(sock, link.FAILED, told)
    except OSError:
        pass
    link.leave(1)


def _start(sock, ready):
    """Runs the hooks and tells the master that this worker can serve."""
    import wsgid

    try:
        for hook in wsgid._hooks:
            hook()
    except BaseException as exc:
        check_owner(exc)
        _fail(sock, exc)
    check_owner()
    if _signal.getsignal(_signal.SIGURG) is not _signal.SIG_DFL:
        link.note_thread(0, link.NOBODY)  # it is the application's, see prepare_streams
    if not config.get("preload"):
        # What was loaded stays: the collector need not look at it again.
        gc.freeze()
    try:
        link.tell(sock, link.READY, ready)
    except OSError:
        link.leave(1)


def _serve(serve, app):
    errors = sys.stderr
    if not callable(getattr(errors, "write", None)):
        # The application took it away; WSGI promises it one all the same.
        errors = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    ends = [_start_thread(serve, index, app, errors) for index in range(1, len(_sockets))]
    serve(_sockets[0], 0, app, config, errors, check_owner)
    check_owner()
    for end in ends:
        end()


def _start_thread(serve, index, app, errors):
    """Starts the thread of a slot; returns what waits for its end."""
    import threading

    arguments = (serve, index, app, errors)
    start = getattr(threading, "_start_joinable_thread", None) or threading._start_new_thread
    if type(start) is type(link.start_thread):
        thread = threading.Thread(
            target=_serve_thread, args=arguments, name="wsgid-%d" % index, daemon=True)
        thread.start()
        return thread.join
    # gevent or eventlet: their threads would never run beside each other.
    ended = link.allocate_lock()
    ended.acquire()

    def run():
        _serve_thread(*arguments)
        ended.release()

    link.start_thread(run, ())
    return ended.acquire


def _serve_thread(serve, index, app, errors):
    link.note_thread(index, link.get_native_id())
    try:
        serve(_sockets[index], index, app, config, errors, check_owner)
    except BaseException:
        # Not by the application: the loop itself is broken.
        from .failure import format_exception

        link.say(format_exception(sys.exc_info()[1]))
        link.leave(1)


def _exit():
    """Ends as Python does (threads that are not daemons, atexit, buffers) but
    for the teardown of modules, which only costs time."""
    threading = sys.modules.get("threading")
    if threading is not None:
        alive = [t.name for t in threading.enumerate()
                 if t is not threading.main_thread() and not t.daemon]
        if alive:
            link.say("%s: waiting for threads of the application that are no daemons: %s\n"
                     % (config.get("app", ""), ", ".join(alive)))
        threading._shutdown()
    atexit._run_exitfuncs()
    link.leave(0)
