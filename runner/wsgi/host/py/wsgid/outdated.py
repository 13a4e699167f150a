"""A virtualenv whose Python is another one now, as after an upgrade of the machine."""

import os
import sys


def advice():
    """What is to be done about it; empty: its packages are of this Python, or it has none."""
    if sys.prefix == sys.base_prefix:
        return ""
    lib = os.path.join(sys.prefix, "lib")
    here = "python%d.%d" % sys.version_info[:2]
    if _packages(lib, here):
        return ""
    try:
        others = [name for name in sorted(os.listdir(lib)) if name.startswith("python3.") and _packages(lib, name)]
    except OSError:
        return ""
    if not others:
        return ""
    return "the packages of the virtualenv %s are those of Python %s, and its Python is %s now, as after an upgrade of " \
        "the machine: make it anew, and install them again: python3 -m venv --clear %s" % (
            sys.prefix, others[-1][6:], here[6:], sys.prefix)


def _packages(lib, name):
    """Whether there are packages for a Python, beside those that a new virtualenv has."""
    try:
        found = os.listdir(os.path.join(lib, name, "site-packages"))
    except OSError:
        return False
    return any(not n.startswith(("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-", "__pycache__")) for n in found)
