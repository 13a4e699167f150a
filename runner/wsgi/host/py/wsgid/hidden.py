"""Hides this process from the other processes of its user."""


def hide():
    """Makes the process not dumpable, which processes forked from it stay: what is
    not root can no longer trace it, or read its memory and environment in /proc.
    Returns why it could not be done.

    The inner module of ctypes does it with a fifth of what ctypes costs a start."""
    try:
        import _ctypes

        prctl = _ctypes.dlsym(_ctypes.dlopen(None, 2), "prctl")  # RTLD_NOW
        done = _ctypes.call_function(prctl, (4, 0, 0, 0, 0))  # PR_SET_DUMPABLE
    except Exception as exc:  # no such module, no memory
        return "%s: %s" % (type(exc).__name__, exc)
    return None if done == 0 else "prctl failed"
