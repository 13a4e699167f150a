"""Loads Django projects, and applies django.json to their settings."""

import os
import sys
from importlib import import_module

from .django_project import find, framework
from .django_settings import merge, take_up
from .failure import summary
from .link import Failed


def load(config, ready, resolve):
    """The project's application; resolve finds the object of a name."""
    base = framework()
    variable = base.upper() + "_SETTINGS_MODULE"
    module = _settings_module(config, variable)
    ready["settings"] = module
    os.environ[variable] = module
    try:
        if os.path.exists(config["app_path"] + "/django.json"):
            override(config, ready, base)
        settings = import_module(base + ".conf").settings
    except ModuleNotFoundError as exc:
        if exc.name == base:
            _not_installed(exc, base, module.rpartition(".")[0])
        raise
    name = config.get("wsgi_app") or getattr(settings, "WSGI_APPLICATION", None)
    if name:
        ready["app"] = name
        return resolve(name, "wsgi_app" if config.get("wsgi_app") else "WSGI_APPLICATION")
    ready["app"] = base + ".core.wsgi:get_wsgi_application()"
    return import_module(base + ".core.wsgi").get_wsgi_application()


def _not_installed(exc, base, project):
    """What looks like a Django project may be one of a framework that Django
    never heard of."""
    from importlib.util import find_spec

    try:
        if not project or find_spec(project + ".wsgi") is None:
            return
    except ImportError:
        return
    from .outdated import advice

    raise Failed(
        summary(exc),
        advice() or "%s is not installed for %s: install it there, or name the app's virtualenv; a project of "
        'another framework is named by its application: wsgi_app = "%s.wsgi:application"'
        % (base, sys.executable, project)) from exc


def _settings_module(config, variable):
    """By falling weight: the spec, the environment, what lies in app/."""
    app_dir = config["app_dir"]
    found = find(app_dir)
    if found is not None:
        _add_paths(found[1])
    given = config.get("django_settings") or os.environ.get(variable)
    if given:
        return given
    if found is not None:
        return found[0]
    # Asked for by option or by name: take what can be imported, such as a
    # package without __init__.py.
    from importlib.util import find_spec

    for entry in sorted(os.listdir(app_dir) if os.path.isdir(app_dir) else ()):
        if entry.startswith(".") or not os.path.isdir(os.path.join(app_dir, entry)):
            continue
        if entry.isidentifier() and find_spec(entry + ".settings") is not None:
            _add_paths([app_dir, os.path.join(app_dir, entry)])
            return entry + ".settings"
    from .failure import listing

    raise Failed(
        "loader django finds no project: app/ holds %s" % listing(app_dir),
        "looked for a folder of app/ with settings.py or settings/; "
        'or say django { settings = "project.settings" }')


def _add_paths(paths):
    for path in reversed(paths):
        if path in sys.path:
            sys.path.remove(path)
        sys.path.insert(0, path)


def override(config, ready, base):
    """Makes the framework's settings take up django.json when they are loaded,
    whichever module asks for them first."""
    file = config["app_path"] + "/django.json"
    extra = read(file)
    try:
        conf = import_module(base + ".conf")
    except ImportError:
        if not config.get("wsgi_app") or config.get("loader") == "django" or config.get("django"):
            raise
        ready["warnings"].append("%s is not applied: Django is not installed for %s"
                                 % (file, sys.executable))
        return
    if conf.settings.configured:  # by a plugin
        merge(conf.settings._wrapped, extra, file, ready["warnings"])
        return
    take_up(conf, extra, file, ready["warnings"])


def read(file):
    """The settings of django.json."""
    import json

    try:
        with open(file, "rb") as f:
            text = f.read().decode("utf-8-sig")
        values = json.loads(text)
    except OSError as exc:
        raise Failed("cannot read django.json: %s" % exc.strerror, "", file) from None
    except UnicodeDecodeError as exc:
        line = exc.object[:exc.start].count(b"\n") + 1
        raise Failed("cannot read django.json: line %d is not UTF-8" % line, "", file, line) from None
    except json.JSONDecodeError as exc:
        raise Failed(
            "cannot read django.json: line %d, column %d: %s" % (exc.lineno, exc.colno, exc.msg),
            "", file, exc.lineno) from None
    if not isinstance(values, dict):
        raise Failed("cannot read django.json: it must hold an object { … } of settings",
                     "", file, 1)
    return values
