"""Hides this process from the other processes of its user, and names it."""

_set = None  # prctl of the C library, as a function of its numbers



def hide():
    """Makes the process not dumpable, which processes forked from it stay: what is
    not root can no longer trace it, or read its memory and environment in /proc.
    Returns why it could not be done.

    The inner module of ctypes does it with a fifth of what ctypes costs a start."""
    try:
        import _ctypes

        prctl = _ctypes.dlsym(_ctypes.dlopen(None, 2), "prctl")  # RTLD_NOW
        global _set
        _set = lambda *args: _ctypes.call_function(prctl, args)
        done = _set(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
    except Exception as exc:  # no such module, no memory
        return "%s: %s" % (type(exc).__name__, exc)
    return None if done == 0 else "prctl failed"


def control(*arguments):
    """prctl of numbers."""
    if _set(*arguments) != 0:
        raise OSError("prctl%r failed" % (arguments,))


def name(kind, app, instead=None):
    """Gives the process the name that top and ss show, which has room for 15 bytes;
    where instead is given, only if it still has the name of that kind. The command
    line stays: by it Python finds the virtualenv. /proc/self/comm takes a name too,
    but not from who is hidden."""
    try:
        if instead:
            with open("/proc/self/comm", "rb", 0) as f:
                if not f.read().startswith(instead.encode() + b":"):
                    return  # the application has named it
        if _set:
            _set(15, ("%s:%s" % (kind, app)).encode(), 0, 0, 0)  # PR_SET_NAME
    except Exception:
        pass  # no descriptor, no memory: it serves under any name
