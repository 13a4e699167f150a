"""What went wrong, in words for the person who has to mend it."""

import sys

from .link import Failed, Misuse

_HOST = __file__.rpartition("/")[0].rpartition("/")[0] + "/"
_LIBRARIES = ("/site-packages/", "/dist-packages/")
_MOST = 64 << 10  # of a traceback, in characters


def describe(exc, config):
    """The fields of wsgi.Failure."""
    gone = _no_release(config)
    if gone:
        return gone
    root = config.get("app_path", "")
    file, line = place(exc, root)
    if isinstance(exc, Failed):
        shown = exc.__cause__
        return {
            "reason": exc.reason,
            "file": exc.file or file,
            "line": exc.line or (0 if exc.file and exc.file != file else line),
            "traceback": format_exception(shown) if shown is not None else "",
            "hint": _closed(exc, config) or _namesake(exc, config) or exc.hint
            or (_hint(shown, config) if shown is not None else ""),
        }
    reason = summary(exc)
    trace = format_exception(exc)
    return {
        "reason": reason,
        "file": file,
        "line": line,
        "traceback": "" if trace.strip() == reason else trace,  # each thing once
        "hint": _closed(exc, config) or _namesake(exc, config) or _hint(exc, config),
    }


def _no_release(config):
    """The failure of an app whose release somebody has removed, or left in another
    folder, whatever Python says that it misses first; None: it is there."""
    code = config.get("release") or ""
    if not code.startswith("releases/"):
        return None
    import os

    try:
        os.stat(config["app_dir"])
    except FileNotFoundError:
        return {
            "reason": "the release %s is not in %s" % (code[9:], config["app_dir"][:-len(code)] + "releases"),
            "file": "", "line": 0, "traceback": "",
            "hint": "deploy the app again: wsgid-fleet deploy %s" % config.get("app", "APP"),
        }
    except OSError:
        pass
    return None


def summary(exc, who="the application"):
    """One line: "ModuleNotFoundError: No module named 'blog'"."""
    if isinstance(exc, SystemExit):
        code = exc.code
        return "SystemExit: %s called sys.exit(%s) while it was loaded" % (
            who, "" if code is None else repr(code))
    if isinstance(exc, SyntaxError):
        return "%s: %s" % (type(exc).__name__, exc.msg)
    name = type(exc).__name__
    module = type(exc).__module__
    if module not in ("builtins", "__main__"):
        name = module + "." + name
    try:
        text = " ".join(str(exc).split())
    except Exception:
        text = ""
    return "%s: %s" % (name, text) if text else name


def place(exc, root):
    """(file, line) of the deepest frame in the user's own code; of the deepest
    frame at all where none is."""
    best = ("", 0)
    best_rank = -1
    seen = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        frames = [(tb.tb_frame.f_code.co_filename, tb.tb_lineno) for tb in _frames(exc)]
        if isinstance(exc, SyntaxError) and exc.filename:
            frames.append((exc.filename, exc.lineno or 0))
        rank, found = -1, ("", 0)
        for file, line in frames:
            r = _rank(file, root)
            if r >= rank and r >= 0:
                rank, found = r, (file, line)
        if rank > best_rank:
            best_rank, best = rank, found
        exc = exc.__cause__ or exc.__context__
    return best


def defined(module, attr):
    """(file, line) of what a module calls attr; of the module where reading it
    does not tell."""
    import re

    file = getattr(sys.modules.get(module), "__file__", None) or ""
    name = re.escape(attr.partition(".")[0])
    pattern = re.compile(
        r"\s*(?:async\s+def|def|class)\s+%s\b|\s*%s\s*(?::[^=]*)?=(?!=)|.*\bimport\b.*\b%s\b"
        % (name, name, name))
    found = 0
    try:
        with open(file, encoding="utf-8", errors="replace") as f:
            for number, line in enumerate(f, 1):
                if pattern.match(line):
                    found = number  # the last one counts
    except OSError:
        pass
    return file, found


def _frames(exc):
    tb = exc.__traceback__
    while tb is not None:
        yield tb
        tb = tb.tb_next


def _rank(file, root):
    if file.startswith(("<", _HOST)):
        return -1
    library = any(part in file for part in _LIBRARIES)
    if root and file.startswith(root + "/") and not library:
        return 2
    if library or file.startswith((sys.prefix + "/lib", sys.base_prefix + "/lib")):
        return 0
    return 1


def format_exception(exc):
    """The traceback as Python prints it, without the host's own frames."""
    import traceback

    try:
        whole = traceback.TracebackException(type(exc), exc, exc.__traceback__)
        parts, seen = [whole], 0
        while seen < len(parts):
            part = parts[seen]
            seen += 1
            part.stack[:] = [
                f for f in part.stack if not f.filename.startswith((_HOST, "<frozen importlib"))]
            parts.extend(p for p in (part.__cause__, part.__context__) if p is not None)
        text = "".join(whole.format())
    except Exception as err:  # a __str__ that raises, for one
        text = "%s (its traceback cannot be printed: %s)\n" % (type(exc).__name__, type(err).__name__)
    if len(text) > _MOST:
        text = "…\n" + text[-_MOST:]
    return text


def request_log(errors, app, environ, what, exc):
    """One entry about one request. It is written at once, so that the lines of
    several workers do not mix."""
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    head = "%s: %s %s: " % (app, _plain(environ.get("REQUEST_METHOD", "")), _plain(path))
    if exc is None:
        text = head + what + "\n"
    elif isinstance(exc, Misuse):
        text = head + str(exc) + "\n"
    else:
        text = "%s%s %s\n%s" % (head, what, summary_of_request(exc), format_exception(exc))
    try:
        errors.write(text)
        errors.flush()
    except Exception:
        pass  # nobody is left to be told


def summary_of_request(exc):
    if isinstance(exc, SystemExit):
        return "SystemExit: a request must not end the worker"
    return summary(exc)


def _plain(text):
    """Without what could forge a line of the log."""
    return text.encode("unicode_escape").decode("ascii")


def near(name, names):
    """The most similar of some names, or ""."""
    from difflib import get_close_matches

    found = get_close_matches(name, [n for n in names if isinstance(n, str)], 1, 0.6)
    return found[0] if found else ""


def _closed(exc, config):
    """What keeps the user out, which every other advice would only hide."""
    if not isinstance(exc, (Failed, ImportError, OSError)):
        return ""
    try:
        from .closed import of_failure

        return of_failure(exc, config)
    except Exception:
        return ""


def _namesake(exc, config):
    """That a module of the app has a name of Python's own, which no other advice mends."""
    try:
        from .namesake import advice, of_failure

        module = exc.module if isinstance(exc, Failed) else ""
        return module and advice(module, config) or of_failure(exc, config)
    except Exception:
        return ""


def _hint(exc, config):
    if isinstance(exc, SystemExit):
        return "a module must not end the process when it is imported: put the call below " \
            "if __name__ == \"__main__\":"
    if isinstance(exc, ModuleNotFoundError) and exc.name:
        top = exc.name.partition(".")[0]
        here = _modules(config.get("app_dir", ""))
        if top in here or (exc.name != top and top in sys.modules):
            return ""
        if top in _modules(config.get("app_path", "") or "/"):
            return "%s is in the app folder itself: the application's code belongs in app/" % top
        close = near(top, here)
        if close:
            return "did you mean %s, which is in app/?" % close
        wanted = (config.get("wsgi_app") or "").replace(":", ".").partition(".")[0]
        if top == wanted:
            return "wsgi_app names %s, and app/ holds %s: correct wsgi_app, or add the module" % (
                top, listing(config.get("app_dir", "")))
        from .outdated import advice

        return advice() or "%s is not installed for %s: install it there, or name the app's virtualenv" % (
            top, sys.executable)
    if isinstance(exc, KeyError) and _asked_environ(exc):
        name = str(exc.args[0]) if exc.args else "NAME"
        return "the environment has no %s, and variables of the shell do not reach an app: write into its spec: " \
            "env = { %s = \"…\" }" % (name, name)
    return ""


def _asked_environ(exc):
    """Whether os.environ has raised a KeyError."""
    last = None
    for tb in _frames(exc):
        last = tb.tb_frame
    return last is not None and last.f_code.co_name == "__getitem__" and \
        last.f_globals.get("__name__") == "os"


def _modules(folder):
    import os

    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [n[:-3] if n.endswith(".py") else n for n in names
            if n.endswith(".py") or "." not in n and os.path.isdir(os.path.join(folder, n))]


def listing(folder):
    """What a folder holds, for a message."""
    import os

    try:
        names = sorted(n for n in os.listdir(folder) if n != "__pycache__" and n[0] != ".")
    except OSError as exc:
        return "nothing (cannot read it: %s)" % exc.strerror
    if not names:
        return "nothing"
    shown = [n + "/" if os.path.isdir(os.path.join(folder, n)) else n for n in names[:12]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (" and %d more" % more if more else "")
