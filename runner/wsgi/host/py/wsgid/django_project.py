"""Finds a Django project below app/ without importing it."""

import os


_VARIABLE = "_SETTINGS_MODULE"


def framework():
    """The package whose settings module the environment names: django, or a
    framework of its make, such as ginger with GINGER_SETTINGS_MODULE."""
    if "DJANGO" + _VARIABLE in os.environ:
        return "django"
    for variable in sorted(os.environ):
        name = variable[: -len(_VARIABLE)].lower()
        if not variable.endswith(_VARIABLE) or not name.isidentifier():
            continue
        from importlib.util import find_spec

        try:
            # Many a program has such a variable; few are made like Django.
            if find_spec(name + ".conf") is not None and find_spec(name + ".core.wsgi") is not None:
                return name
        except ImportError:
            continue
    return "django"


def _folders(path):
    try:
        names = os.listdir(path)
    except OSError:
        return []
    return [n for n in sorted(names)
            if not n.startswith(".") and n != "__pycache__" and os.path.isdir(os.path.join(path, n))]


def _has_settings(path):
    return (os.path.isfile(os.path.join(path, "settings.py"))
            or os.path.isfile(os.path.join(path, "settings", "__init__.py")))


def find(app_dir):
    """Returns (settings module, folders for sys.path) of the first project by
    name, or None.

    wsgid's layout is app/project/settings.py; Django 1.4 and later nests the
    package in a folder that holds manage.py: app/project/project/settings.py.
    """
    for name in _folders(app_dir):
        path = os.path.join(app_dir, name)
        if os.path.isfile(os.path.join(path, "__init__.py")) and _has_settings(path):
            return name + ".settings", [app_dir, path]
        inner = _folders(path)
        if name in inner:  # startproject gives both the same name
            inner.remove(name)
            inner.insert(0, name)
        for package in inner:
            below = os.path.join(path, package)
            if os.path.isfile(os.path.join(below, "__init__.py")) and _has_settings(below):
                # As with manage.py: its folder comes first.
                return package + ".settings", [path, app_dir]
    return None
