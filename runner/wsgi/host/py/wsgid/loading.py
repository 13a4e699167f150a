"""Finds and imports the application (reference: wsgid 0.7, "Loading an
application")."""

import os
import sys

from .link import Failed


def load(config):
    """Returns (the WSGI callable, the fields of wsgi.Ready)."""
    ready = {"loader": "", "app": "", "settings": "", "warnings": []}
    try:
        plugins = _plugins(config, ready["warnings"])
        app = _wrap(config, _load(config, plugins, ready), ready)
    except BaseException:
        # The master hears of the failure alone, and a plugin may be its cause.
        for text in ready["warnings"]:
            sys.stderr.write("%s: %s\n" % (config.get("app", ""), text))
        raise
    if plugins is not None:
        app, ready["filters"] = plugins.filtered(app)
    return app, ready


def _wrap(config, app, ready):
    """The application with its middleware around it."""
    if not callable(app):
        raise Failed(
            "%s is not callable: it is %s" % (ready["app"], _kind(app)),
            "a WSGI application is called with (environ, start_response)",
            *(ready.pop("place", None) or _place(ready["app"])))
    place = ready.pop("place", None)
    for name in reversed(config.get("middleware") or ()):
        layer = resolve(name, "middleware")
        if not callable(layer):
            raise Failed("middleware %s is not callable: it is %s" % (name, _kind(layer)), "",
                         *_place(name))
        app = layer(app)
        if not callable(app):
            raise Failed(
                "middleware %s returned %s, which is not callable" % (name, _kind(app)),
                "a middleware takes the application and returns one", *_place(name))
    # What takes two arguments as a plain function does needs no closer look.
    code = getattr(app, "__code__", None) or getattr(getattr(type(app), "__call__", None), "__code__", None)
    if code is None or code.co_flags & 0x280 or code.co_varnames[:code.co_argcount][-2:] != ("environ", "start_response"):
        from .fit import check

        name = (config.get("middleware") or [ready["app"]])[0]
        check(app, name, lambda: place or _place(name))
    return app


def _place(name):
    """Where an object that resolve() found is defined: (file, line)."""
    from .failure import defined

    return defined(*_split(name)[:2])


def _kind(value):
    return "None" if value is None else "%s %.60r" % (type(value).__name__, value)


def _plugins(config, warnings):
    folders = []
    for folder in ["plugins"] + list(config.get("loader_dirs") or ()):
        folder = os.path.normpath(os.path.join(config["app_path"], folder))
        try:
            names = sorted(n for n in os.listdir(folder)
                           if n.endswith(".py") and n[0] not in "._")
        except OSError as exc:
            if folder != os.path.join(config["app_path"], "plugins"):
                warnings.append("cannot read loader directory %s: %s" % (folder, exc.strerror))
            continue
        if names:
            folders.append((folder, names))
    if not folders:
        return None
    from .plugins import Plugins

    return Plugins(folders, config, warnings)


def _load(config, plugins, ready):
    wanted = config.get("loader") or "auto"
    wsgi_app = config.get("wsgi_app") or None
    if wanted == "auto":
        # As in wsgid, wsgi_app skips the loaders; django.json is applied all the
        # same.
        if wsgi_app:
            wanted = "wsgi"
        elif config.get("django"):
            wanted = "django"
        else:
            return _detect(config, plugins, ready)
    ready["loader"] = wanted
    if wanted == "wsgi":
        return _load_wsgi(config, wsgi_app, ready)
    if wanted == "django":
        return django_loader().load(config, ready, resolve)
    if wanted == "pyroutes":
        return _load_pyroutes(config, ready)
    loaders = plugins.loaders() if plugins is not None else []
    for loader in loaders:
        if loader.name == wanted:
            return _load_plugin(loader, config, ready)
    if plugins is not None:
        plugins.fail_for(wanted)
    raise _no_such_loader(wanted, loaders)


def _no_such_loader(wanted, loaders):
    from .failure import near

    known = ["auto", "wsgi", "django", "pyroutes"] + [l.name for l in loaders]
    close = near(wanted, known)
    if close:
        hint = 'did you mean loader = "%s"?' % close
    else:
        if loaders:
            hint = "plugin loaders are " + ", ".join("%s (%s)" % (l.name, l.file) for l in loaders)
        else:
            hint = "neither plugins/ nor loader_dirs holds a plugin loader"
        hint += '; for any other application leave loader out and say wsgi_app = "module:attr"'
    return Failed("there is no loader %s" % wanted, hint)


def _load_wsgi(config, wsgi_app, ready):
    if not wsgi_app:
        raise Failed("loader wsgi needs wsgi_app", 'say wsgi_app = "module:attr"')
    ready["app"] = wsgi_app
    settings = config.get("django_settings")
    if settings:
        os.environ["DJANGO_SETTINGS_MODULE"] = settings
    if os.path.exists(config["app_path"] + "/django.json"):
        from .django_project import framework

        django_loader().override(config, ready, framework())
    app = resolve(wsgi_app, "wsgi_app")
    if is_paste(wsgi_app):
        ready["place"] = (wsgi_app.strip().partition(".ini")[0] + ".ini", 0)
    if "django" in sys.modules:
        ready["settings"] = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    return app


def django_loader():
    from . import django_loader

    return django_loader


def _load_plugin(loader, config, ready):
    ready["loader"] = loader.name
    ready["app"] = "%s of %s" % (loader.name, loader.file)
    code = getattr(getattr(type(loader.instance), "load_app", None), "__code__", None)
    ready["place"] = (loader.file, code.co_firstlineno if code is not None else 0)
    return loader.instance.load_app(config["app_dir"], config.get("wsgi_app") or None)


def _detect(config, plugins, ready):
    """The first loader that fits, by file name, as wsgid asked them: its own
    were djangoloader.py and pyroutesloader.py."""
    candidates = [("djangoloader.py", "django", None), ("pyroutesloader.py", "pyroutes", None)]
    loaders = plugins.loaders() if plugins is not None else []
    candidates += [(os.path.basename(l.file), l.name, l) for l in loaders]
    candidates.sort(key=lambda c: c[0])  # stable: plugins/ before loader_dirs
    app_dir = config["app_dir"]
    for _, name, loader in candidates:
        if loader is not None:
            if plugins.can_load(loader, app_dir):
                return _load_plugin(loader, config, ready)
        elif name == "django":
            if _looks_like_django(config):
                ready["loader"] = name
                return django_loader().load(config, ready, resolve)
        elif os.path.exists(app_dir + "/pyroutes_settings.py"):
            ready["loader"] = name
            return _load_pyroutes(config, ready)
    raise _nothing_fits(app_dir, loaders, plugins.problems if plugins is not None else ())


def _looks_like_django(config):
    if config.get("django_settings") or os.environ.get("DJANGO_SETTINGS_MODULE"):
        return True
    from .django_project import find, framework

    return find(config["app_dir"]) is not None or framework() != "django"


def _nothing_fits(app_dir, loaders, problems):
    from .failure import listing

    if not os.path.isdir(app_dir):
        return Failed("no loader fits: there is no folder %s" % app_dir,
                      "the application's code belongs into app/")
    hint = "looked for a Django project (a folder of app/ with settings.py or settings/), " \
        "for pyroutes (app/pyroutes_settings.py)"
    if loaders:
        hint += " and asked " + ", ".join("%s (%s)" % (l.name, l.file) for l in loaders)
    if os.path.exists(app_dir + "/settings.py") and os.path.exists(app_dir + "/manage.py"):
        hint += "; app/ holds the content of a Django project: copy the project's folder itself"
    else:
        guess = _guess(app_dir)
        hint += '; for any other application say wsgi_app = "%s"' % (guess or "module:attr")
    if problems:
        hint += "; of the plugins, these failed: " + "; ".join(problems)
    return Failed("no loader fits: app/ holds %s" % listing(app_dir), hint)


def _guess(app_dir):
    """The module of app/ that looks like a WSGI application."""
    import re

    found = re.compile(r"^(?:def |class )?(application|app)\b\s*(?:=[^=]|\()", re.M)
    for folder in ["", *sorted(e.name for e in os.scandir(app_dir) if e.is_dir())]:
        for name in ("wsgi", "app", "main", "__init__"):
            try:
                with open(os.path.join(app_dir, folder, name + ".py"), errors="replace") as f:
                    match = found.search(f.read(1 << 20))
            except OSError:
                continue
            if match:
                parts = [p for p in (folder, name) if p and p != "__init__"]
                if parts:
                    return "%s:%s" % (".".join(parts), match.group(1))
    return ""


def _load_pyroutes(config, ready):
    app_dir = config["app_dir"]
    names = sorted(
        e.name for e in os.scandir(app_dir)
        if e.is_dir() and e.name not in ("templates", "tests", "__pycache__")
        and not e.name.startswith("."))
    # A folder of pictures beside the package is not the application.
    names = [n for n in names if os.path.exists("%s/%s/__init__.py" % (app_dir, n))] or names
    if not names:
        raise Failed("pyroutes: app/ holds no folder but templates and tests",
                     "the application's package belongs beside pyroutes_settings.py")
    ready["app"] = "pyroutes:application"
    __import__(names[0])  # registers its routes
    return resolve("pyroutes:application", "pyroutes")


def resolve(name, what):
    """The object of "module:attr", "module.attr", "/file" or "/file:attr", or any
    with "()" behind it: then what the call returns. Of "/file.ini" it is what
    PasteDeploy makes."""
    if is_paste(name):
        from .paste_file import load as load_paste

        return load_paste(name, what)
    if name.strip().startswith("/"):
        from .script import load, split

        load(split(name.strip())[0], what)
    module, attr, call = _split(name)
    if not module or not attr or not all(p.isidentifier() for p in (module + "." + attr).split(".")):
        hint = 'write it as "module:attr", "module.attr" or "module:factory()"'
        if name.strip().isidentifier():
            hint = 'write it with the name of the callable: "%s:application"' % name.strip()
        raise Failed("%s %r names no callable" % (what, name), hint)
    __import__(module)
    found = sys.modules[module]
    for part in attr.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as exc:
            raise _missing(name, what, module, found, part) from (exc if exc.__context__ else None)
    if call:
        if not callable(found):
            raise Failed("%s %s: the factory is not callable: it is %s" % (what, name, _kind(found)), "",
                         *_place(name))
        found = found()
    return found


def is_paste(name):
    """Whether a file that PasteDeploy reads is named, before it is loaded for that."""
    if not name.strip().startswith("/") or ".ini" not in name:
        return False
    from .paste_file import split

    return split(name) is not None


def _split(name):
    """(module, attribute, whether it is to be called)"""
    text = name.strip()
    if text.startswith("/"):
        from .script import module_name, split

        file, attr, call = split(text)
        return module_name(file), attr, call
    call = text.endswith("()")
    if call:
        text = text[:-2]
    module, colon, attr = text.partition(":")
    if not colon:
        module, _, attr = text.rpartition(".")
    return module, attr, call


def _missing(name, what, module, found, part):
    from .failure import near

    names = [n for n in dir(found) if not n.startswith("__")]
    close = near(part, names)
    if close:
        hint = "did you mean %s?" % close
    else:
        own = [n for n in names if callable(getattr(found, n, None))
               and getattr(getattr(found, n), "__module__", module) == module]
        hint = "its callables are " + ", ".join(own[:10]) if own else "it defines no callable"
    where = "module %s" % module if found is sys.modules[module] else type(found).__name__
    if name.strip().startswith("/") and found is sys.modules[module]:
        where = found.__file__
    file = getattr(found, "__file__", None) or getattr(sys.modules[module], "__file__", None) or ""
    failed = Failed("%s %s: %s has no attribute %s" % (what, name, where, part), hint, file)
    failed.module = module
    return failed
