"""Which file or folder keeps the worker's user out, in words for the person who
has to mend it. Python itself tells of a closed folder mostly as of a module or a
file that is not there."""

import os
import sys


def of_failure(exc, config):
    """What keeps the user out of what failed to load, or ""."""
    app = config.get("app_dir", "")
    seen = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        for path, for_writing in _wanted(exc, config, app):
            told = of_path(path, app, for_writing)
            if told:
                return told
        exc = exc.__cause__ or exc.__context__
    return of_path(app, app)


def _wanted(exc, config, app):
    """Paths that an exception may be about, with whether more than reading failed."""
    if isinstance(exc, OSError) and isinstance(exc.filename, str):
        yield os.path.abspath(exc.filename), isinstance(exc, PermissionError)
    name, folders = "", [app]
    if isinstance(exc, ModuleNotFoundError):
        name = exc.name or ""
        folders += sys.path
        # Of a virtualenv's packages that it cannot see Python makes no entry.
        folders.append("%s/lib/python%d.%d/site-packages" % ((sys.prefix,) + sys.version_info[:2]))
    elif isinstance(exc, ImportError):
        if exc.path:
            yield exc.path, False
    elif not isinstance(exc, OSError):  # a package whose folder is closed is an empty one
        name = (config.get("wsgi_app") or "").partition(":")[0]
    if not name:
        return
    for path in folders:
        path = path or "."
        yield path, False
        for part in name.split("."):
            path += "/" + part
            yield path, False
        yield path + ".py", False
        yield path + "/__init__.py", False


def of_path(path, app="", for_writing=False):
    """What keeps this user from reading a path, or ""; for_writing: the kernel has
    refused something, so it was writing where reading is not refused."""
    path = os.path.realpath(path)
    at = "/"
    for part in path.split("/")[1:]:
        if not os.access(at, os.X_OK):
            return _say("may not enter folder", at, "x", app) if os.path.isdir(at) else ""
        at = os.path.join(at, part)
    if not os.path.lexists(path):
        folder = os.path.dirname(path)
        if for_writing and os.path.isdir(folder) and not os.access(folder, os.W_OK):
            return _say("cannot write to folder", folder, "w", app)
        return ""
    if os.path.isdir(path):
        if not os.access(path, os.R_OK | os.X_OK):
            return _say("cannot read folder", path, "rx", app)
        what = "folder"
    else:
        if not os.access(path, os.R_OK):
            return _say("cannot read", path, "r", app)
        what = ""
    if for_writing and not os.access(path, os.W_OK):
        return _say("cannot write to" + (what and " " + what), path, "w", app)
    return ""


def _say(verb, path, need, app):
    st = os.stat(path)
    mode = st.st_mode & 0o7777
    me = _user(os.geteuid())
    owner = _user(st.st_uid)
    ours = bool(app) and (path == app or path.startswith(app + "/"))
    if st.st_uid == os.geteuid():
        step = "chmod u+%s %s" % (need, path)
    elif need == "w":
        step = "chown %s %s" % (me, path)
    elif st.st_gid in [os.getegid()] + os.getgroups():
        step = "chmod g+%s %s" % (need, path)
    elif ours and os.path.isdir(path):
        step = "chmod -R o+rX %s" % path
    else:
        step = "chmod o+%s %s" % (need, path)
    if st.st_uid not in (0, os.geteuid()):
        if ours and need != "w":
            step += ", or chown -R %s %s" % (me, path)
        step += ', or run the app as its owner: user = "%s"' % owner
    return "user %s %s %s (mode %04o, owner %s): %s" % (me, verb, path, mode, owner, step)


def _user(uid):
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
