"""What the application gives to atexit while a template loads it. Functions that remove what the
template made are for its own end: the first worker that ends would remove it for all."""

import atexit
import sys

_REMOVERS = {"os": ("remove", "unlink", "rmdir", "removedirs"), "shutil": ("rmtree",)}
# What a function that removes files, and does nothing else, may speak of besides.
_BESIDE = {"os", "shutil", "path", "pathlib", "tempfile", "contextlib", "suppress", "exists", "lexists", "isdir", "isfile",
           "islink", "is_dir", "is_file", "join", "name", "cleanup", "Path"}
_METHODS = ("unlink", "rmdir", "cleanup")

_noted = []  # functions, in the order in which they were given
_ours = []  # those of them that are the template's to run
_finalizers = []  # likewise
_register, _unregister = atexit.register, atexit.unregister


def begin():
    """Notes from now on what is given."""
    atexit.register, atexit.unregister = _note, _forget


def end():
    if atexit.register is _note:
        atexit.register = _register
    if atexit.unregister is _forget:
        atexit.unregister = _unregister


def _note(*args, **kwargs):
    function = _register(*args, **kwargs)
    _noted.append(function)
    return function


def _forget(function):
    _unregister(function)
    _noted[:] = [f for f in _noted if f != function]


def leave():
    """Leaves to the template, in a worker, what is the template's to do."""
    for module, names in _REMOVERS.items():
        for name in names:
            function = getattr(sys.modules.get(module), name, None)
            if function is not None:
                _unregister(function)
    for function in _ours:
        _unregister(function)
    for finalizer in _finalizers:
        finalizer.atexit = False


def settle():
    """Finds out, in the template and before any worker is forked, what is the template's alone.
    What there is to warn of: functions that remove files, and do more than that."""
    finalize = getattr(sys.modules.get("weakref"), "finalize", None)
    _finalizers.extend(f for f, info in list(getattr(finalize, "_registry", {}).items()) if _about(info.func) == _REMOVES)
    kinds = [(f, _about(f)) for f in _noted]
    _ours.extend(f for f, kind in kinds if kind == _REMOVES)
    found = sorted(_place(f) for f, kind in kinds if kind == _REMOVES_TOO)
    del _noted[:]
    if not found:
        return []
    return ["the application has given atexit a function that removes files (%s) while it was loaded: it runs at the end "
            "of each worker, which are forked (workers.preload), and the first one that ends removes them for all; "
            "give atexit a function that does nothing else, which the template alone runs, or make what it removes in "
            "a function with @wsgid.postfork" % ", ".join(found)]


_REMOVES, _REMOVES_TOO = "removes", "removes, and does more"


def _about(function):
    """Whether a function removes files: _REMOVES, _REMOVES_TOO or None, for all that is known."""
    try:
        return _judge(function, 0)
    except Exception:  # of an object of the application, which may do anything when it is asked
        return None


def _judge(function, depth):
    if depth > 4:
        return None
    if any(function is f for f in _removers()):
        return _REMOVES
    functools = sys.modules.get("functools")
    if functools is not None and type(function) is functools.partial:
        return _judge(function.func, depth + 1)
    owner, plain = getattr(function, "__self__", None), getattr(function, "__func__", None)
    if plain is not None:
        if _removes_itself(owner, plain):
            return _REMOVES
        contextlib = sys.modules.get("contextlib")
        if contextlib is not None and isinstance(owner, contextlib.ExitStack) and plain is contextlib.ExitStack.close:
            kinds = [_judge(getattr(f, "__wrapped__", f), depth + 1) for _, f in owner._exit_callbacks]
            if not any(kinds):
                return None
            return _REMOVES if all(k == _REMOVES for k in kinds) else _REMOVES_TOO
    code = getattr(plain or function, "__code__", None)
    if code is None:
        return None
    return _read(code, _known(plain or function, owner), owner, depth)


def _removers():
    return [f for module, names in _REMOVERS.items() for f in (getattr(sys.modules.get(module), n, None) for n in names) if f]


def _folder_type():
    return getattr(sys.modules.get("tempfile"), "TemporaryDirectory", None)


def _removes_itself(owner, method):
    """Whether it is a method of a temporary folder, or of a path, that removes it."""
    folder, pathlib = _folder_type(), sys.modules.get("pathlib")
    if folder is not None and (isinstance(owner, folder) or owner is folder):
        return method in [getattr(getattr(folder, n, None), "__func__", getattr(folder, n, None)) for n in ("cleanup", "_cleanup", "__exit__")]
    return pathlib is not None and isinstance(owner, pathlib.PurePath) and method.__name__ in _METHODS


def _known(function, owner):
    """The names that code of a function may use: its globals, what it encloses, its object's."""
    known = dict(getattr(function, "__globals__", {}))
    if owner is not None:
        known.update(vars(type(owner)))
        known.update(getattr(owner, "__dict__", {}))
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            known[name] = cell.cell_contents
        except ValueError:
            pass  # it is not set yet
    return known


def _read(code, known, owner, depth):
    codes = [code] + [inner for inner in code.co_consts if hasattr(inner, "co_names")]
    names = set(code.co_freevars).union(*[c.co_names for c in codes])
    # Functions of the same module, which it may call.
    inner = {n: _judge(f if owner is None or n not in vars(type(owner)) else f.__get__(owner), depth + 1)
             for n, f in known.items() if n in names and depth < 3 and type(f) is type(_read) and not any(f is r for r in _removers())}
    if not any(inner.values()) and not any(_calls_remover(c, names, known) for c in codes):
        return None
    return _REMOVES if all(inner.get(n) == _REMOVES or _is_beside(n, known) for n in names) else _REMOVES_TOO


def _calls_remover(code, names, known):
    removers, folder = _removers(), _folder_type()
    if any(known.get(n) is f for n in code.co_names for f in removers):
        return True
    paths = any(_is_path(known.get(n)) or n == "pathlib" for n in names)
    if names.isdisjoint(("rmtree", "cleanup", "unlink", "rmdir", "remove", "removedirs")):
        return False
    from dis import get_instructions

    before = None
    for op in get_instructions(code):
        name, of = op.argval, known.get(before) if isinstance(before, str) else None
        for module, functions in _REMOVERS.items():
            if name in functions and (of is sys.modules.get(module, module) if before in known else before == module):
                return True
        if name == "cleanup" and folder is not None and isinstance(of, folder) or name in ("unlink", "rmdir") and paths:
            return True
        before = name
    return False


def _is_path(value):
    pathlib = sys.modules.get("pathlib")
    return pathlib is not None and (isinstance(value, pathlib.PurePath) or value is pathlib.Path)


def _is_beside(name, known):
    if name in known and not (name in _BESIDE and callable(known[name])):
        return _is_data(known[name], 0)
    if name in _BESIDE or any(name in names for names in _REMOVERS.values()):
        return True
    builtin = getattr(sys.modules.get("builtins"), name, None)
    return isinstance(builtin, type) and issubclass(builtin, OSError)


def _is_data(value, depth):
    if value is None or isinstance(value, (str, bytes, int, float)) or _is_path(value):
        return True
    if any(value is f for f in _removers()) or any(value is sys.modules.get(m) for m in ("os", "shutil", "os.path", "pathlib", "tempfile", "contextlib")):
        return True
    folder = _folder_type()
    if folder is not None and isinstance(value, folder):
        return True
    return isinstance(value, (list, tuple, set)) and depth < 2 and all(_is_data(v, depth + 1) for v in value)


def _place(function):
    plain = getattr(function, "__func__", function)
    code = getattr(plain, "__code__", None)
    name = "%s.%s" % (getattr(plain, "__module__", "?"), getattr(plain, "__qualname__", type(function).__qualname__))
    return "%s, %s line %d" % (name, code.co_filename, code.co_firstlineno) if code else name
