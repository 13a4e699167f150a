"""What site does at Python's start, done once in the zygote instead of in each worker:
it is most of what a worker would have for itself.

The zygote is root's where the daemon is, so only what root alone can change is run
there, after it was tried by a process that may do nothing. What depends on the app is
asked again by the worker, see begin(); where the answer is another one, the worker is
started by itself."""

import _signal
import os
import sys
from importlib.machinery import PathFinder
from stat import S_IROTH, S_ISDIR, S_ISLNK, S_ISVTX, S_IXOTH

from . import link

_asked = {}  # what of the environment it depends on
_below = ""  # where a user's site-packages are, below the home; "": only site knows
done = False  # it was run here
_us = os.geteuid()
# Modules of the standard library that do nothing but define things, whatever the
# environment says, and wherever they are imported.
_PLAIN = frozenset(
    "types warnings importlib contextlib itertools keyword operator reprlib collections functools re "
    "sre_compile sre_parse sre_constants enum copyreg traceback linecache tokenize token fnmatch ntpath "
    "pathlib string heapq bisect weakref textwrap typing inspect dis opcode ast json struct "
    "_operator _collections _functools _weakrefset _heapq _bisect _struct _opcode _ast _json _sre _typing "
    "_collections_abc zipimport errno urllib __future__ abc glob copy datetime numbers".split())


class Unfit(Exception):
    """It is for each worker to run."""


def prepare(root):
    """Runs site, or at least imports what it will import in the workers."""
    global done
    why, modules, path = _try(root)
    try:
        _check(_Guard())  # some may be there that others do not see
    except Unfit as exc:
        why = why or "%s" % exc
    if not why:
        try:
            _run()
        except Unfit:
            link.leave(1)  # half done, and another thing than was tried
        if sorted(sys.modules) != modules or sys.path[1:] != path:
            link.leave(1)
        done = True
        return
    # The search path holds Python's own library, and ours, which has none of these.
    for name in modules:
        if name.partition(".")[0] in _PLAIN:
            try:
                __import__(name)
            except ImportError:
                pass


def _try(root):
    """What another process that runs site tells: why it is for each worker to do, the
    modules that are there then, and the search path."""
    take, put = os.pipe()
    pid = link.fork()
    if not pid:
        why = "it was ended"
        try:
            _signal.alarm(5)
            if root:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            sys.stdout = sys.stderr = said = _Said()
            try:
                _run()
                why = "".join(said.text) and "it prints"
            except Unfit as exc:
                why = "%s" % exc
            words = [why, "\n".join(sorted(sys.modules)), "\n".join(sys.path[1:])]
            with open(put, "wb", closefd=False) as f:
                f.write("\0".join(words).encode("utf-8", "surrogateescape"))
        finally:
            os._exit(0)
    os.close(put)
    with open(take, "rb") as f:
        words = f.read().decode("utf-8", "surrogateescape").split("\0")
    link.waitpid(pid, 0)
    if len(words) != 3:
        return "it was ended", [], []
    return words[0], words[1].split("\n"), words[2].split("\n")


class _Said:
    def __init__(self):
        self.text = []

    def write(self, text):
        self.text.append(text)

    def flush(self):
        pass


class _Asking(type(os.environ)):
    """Notes what is asked of the environment."""

    def __getitem__(self, name):
        value = self._data.get(self.encodekey(name))
        _asked[name] = None if value is None else self.decodevalue(value)
        return super().__getitem__(name)

    def __iter__(self):
        _asked[""] = None  # which is nobody's name
        return super().__iter__()

    def __setitem__(self, name, value):
        _asked[""] = None
        super().__setitem__(name, value)

    def __delitem__(self, name):
        _asked[""] = None
        super().__delitem__(name)


class _Guard:
    """Finds modules as they are found without it, and refuses those that others than
    root, or we, can change."""

    def __init__(self):
        self.refused = ""  # why a module is

    def find_spec(self, name, path=None, target=None):
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None:
            places = list(spec.submodule_search_locations or ())
            if spec.has_location:
                places += [spec.origin] + [p for p in (spec.cached,) if p and os.path.exists(p)]
            for place in places:
                self.check(place)
        return spec

    def check(self, path):
        """Refuses a file that others can change, or a folder or link on the way to it."""
        if self.refused:
            raise ImportError(self.refused)
        todo, path, links = os.path.join(os.getcwd(), path).split("/")[::-1], "/", 0
        self._look(path, False)
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                path = os.path.dirname(path)
                continue
            there = os.path.join(path, name)
            st = self._look(there, False)
            if not S_ISLNK(st.st_mode):
                path = there
                continue
            links += 1
            if links > 40:
                self._refuse("links without an end: " + there)
            to = os.readlink(there)
            if to.startswith("/"):
                path = "/"
            todo += to.split("/")[::-1]
        self._look(path, True)
        self._look(os.path.dirname(path), True)

    def _look(self, path, near):
        st = os.lstat(path)
        # In a folder as /tmp nobody can put another thing in the place of root's, but
        # put one beside it.
        loose = st.st_mode & 0o022 and (near or not S_ISDIR(st.st_mode) or not st.st_mode & S_ISVTX)
        if st.st_uid not in (0, _us) or loose and not S_ISLNK(st.st_mode):
            self._refuse("others can change " + path)
        if not _us and not st.st_mode & (S_IXOTH if S_ISDIR(st.st_mode) else S_IROTH):
            self._refuse("others cannot read " + path)
        return st

    def _refuse(self, why):
        self.refused = why
        raise ImportError(why)


def _run():
    """Runs site.main(), without what is a user's."""
    import site

    guard = _Guard()
    _check(guard)
    usual = type(os.environ)
    first, sys.path[:] = sys.path[:1], sys.path[1:]
    if PathFinder.find_spec("usercustomize", site.getsitepackages() + sys.path) is not None:
        raise Unfit("there is a usercustomize")
    before = _state()
    sys.meta_path.insert(0, guard)
    _learn(site)
    os.environ.__class__ = _Asking
    site.ENABLE_USER_SITE = False
    try:
        site.main()
    except Exception as exc:
        raise Unfit(guard.refused or "%s: %s" % (type(exc).__name__, exc))
    finally:
        os.environ.__class__ = usual
        sys.meta_path.remove(guard)
        sys.path[:0] = first
    site.ENABLE_USER_SITE = site.check_enableusersite()
    site.USER_BASE = site.USER_SITE = None
    if guard.refused:
        raise Unfit(guard.refused)
    if "" in _asked:
        raise Unfit("it depends on the whole environment")
    if _state() != before:
        raise Unfit("it starts threads, opens files or handles signals")


def _check(guard):
    for name in files():
        try:
            guard.check(name)
        except (ImportError, OSError) as exc:
            raise Unfit("%s" % exc)


def _learn(site):
    """Has site look for the packages of a user that there is not."""
    global _below
    os.environ["HOME"] = "/nonexistent"
    site.getusersitepackages()
    if site.USER_BASE == "/nonexistent/.local" and site.USER_SITE.startswith(site.USER_BASE + "/"):
        _below = site.USER_SITE[len(site.USER_BASE):]
    del os.environ["HOME"]


def _state():
    return (len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd")),
            [_signal.getsignal(number) for number in _signal.valid_signals()])


def files():
    """What of site-packages says what is run."""
    import site

    names = []
    for folder in site.getsitepackages():
        if os.path.isdir(folder):
            names.append(folder)
            names += [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".pth")]
    return names


def begin():
    """In a worker, with its own environment."""
    site = sys.modules["site"]
    if not done:
        first, sys.path[:] = sys.path[:1], sys.path[1:]
        site.main()
        sys.path[:0] = first
        return
    for name, value in _asked.items():
        if os.environ.get(name) != value:
            raise Unfit("site-packages depend on %s" % name)
    home = os.environ.get("HOME")
    if home and _below:
        # As site does, whose functions would cost each worker memory of its own.
        site.USER_BASE = home.rstrip("/") + "/.local"
        site.USER_SITE = site.USER_BASE + _below
    else:
        site.getusersitepackages()
    try:
        os.stat(site.USER_SITE)
    except (OSError, ValueError, TypeError):
        return
    if site.ENABLE_USER_SITE:
        raise Unfit("the user has site-packages")
