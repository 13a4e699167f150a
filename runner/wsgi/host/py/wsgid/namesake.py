"""Modules of an app that have the name of one of Python's own: which of the two an
import brings depends on who imports it first, and the other one is missed."""

import re
import sys

_NO_ATTRIBUTE = re.compile(r"^(?:partially initialized )?module '([\w.]+)' has no attribute ")
_NO_NAME = re.compile(r"^cannot import name '\w+' from (?:partially initialized module )?'([\w.]+)'")


def advice(module, config):
    """What to do about a module, by its name, that the app and Python both have; "":
    they do not."""
    import os

    top = module.partition(".")[0]
    if not _is_pythons(top):
        return ""
    root = config.get("app_path") or "/"
    for folder in [config.get("app_dir", "")] + [p for p in sys.path if not _is_pythons_folder(p)]:
        for name in (top + ".py", top + "/__init__.py", top):
            path = os.path.join(folder, name)
            if folder and (os.path.isfile(path) or name == top and os.path.isdir(path)):
                own = os.path.join(folder, top) + ("/" if "/" in name or name == top else ".py")
                if own.startswith(root + "/"):
                    own = own[len(root) + 1:]
                return "rename %s: %s is a module of Python's own too, and %s" % (own, top, _who_has_it(top))
    return ""


def of_failure(exc, config):
    """The same of an exception, or of what has caused it."""
    seen = []
    while exc is not None and exc not in seen:
        seen.append(exc)
        name = ""
        if isinstance(exc, ModuleNotFoundError):
            top = (exc.name or "").partition(".")[0]
            if top != exc.name and not hasattr(sys.modules.get(top), "__path__"):
                name = top  # No module named 'email.utils'; 'email' is not a package
        elif isinstance(exc, (AttributeError, ImportError)):
            found = _NO_ATTRIBUTE.match(str(exc)) or _NO_NAME.match(str(exc))
            name = found.group(1) if found else ""
        hint = name and advice(name, config)
        if hint:
            return hint
        exc = exc.__cause__ or exc.__context__
    return ""


def _who_has_it(top):
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    import os

    if top in sys.modules and (not file or _is_pythons_folder(os.path.dirname(file)) or
                               _is_pythons_folder(os.path.dirname(os.path.dirname(file)))):
        return "that one is loaded first"
    return "what imports that one gets the app's"


def _is_pythons(top):
    names = getattr(sys, "stdlib_module_names", None)  # of 3.10
    if names is not None:
        return top in names
    import os

    folder = os.path.dirname(os.__file__)
    return top in sys.builtin_module_names or os.path.exists(os.path.join(folder, top + ".py")) or \
        os.path.exists(os.path.join(folder, top, "__init__.py"))


def _is_pythons_folder(folder):
    """Also its site-packages, and the archive that has it in some builds."""
    import os

    own = os.path.dirname(os.__file__)
    return folder == own or folder.startswith(own + "/") or folder.endswith(".zip") or \
        "/site-packages" in folder or "/dist-packages" in folder
