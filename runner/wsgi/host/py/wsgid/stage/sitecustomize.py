"""Stages of a deploy find the settings that workers get by django.json.

Its folder stands in PYTHONPATH of the stages of an app that has such settings, and
WSGID_DJANGO_JSON holds them: manage.py migrates the database that the workers use.
"""

import os
import sys


class _Conf:
    """Finds django.conf as it is found without us, and completes it once it is
    there. Who never asks for it pays nothing."""

    def find_spec(self, name, path=None, target=None):
        if name != "django.conf":
            return None
        sys.meta_path.remove(self)
        from importlib.util import find_spec

        spec = find_spec(name)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            original = spec.loader.exec_module

            def exec_module(module):
                original(module)
                _complete(module)

            spec.loader.exec_module = exec_module
        return spec


def _complete(conf):
    import json
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("wsgid_django_settings", os.path.join(os.path.dirname(_here), "django_settings.py"))
    settings = module_from_spec(spec)
    spec.loader.exec_module(settings)
    # What is wrong with them the workers tell.
    settings.take_up(conf, json.loads(os.environ["WSGID_DJANGO_JSON"]), "django.json", [])


def _go_on():
    """Runs the sitecustomize of the interpreter, which ours hides."""
    ours = sys.modules.pop("sitecustomize")
    sys.path[:] = [p for p in sys.path if p != _here]
    try:
        __import__("sitecustomize")
    except ModuleNotFoundError as exc:
        if exc.name != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", ours)


_here = os.path.dirname(os.path.abspath(__file__))
if os.environ.get("WSGID_DJANGO_JSON"):
    sys.meta_path.insert(0, _Conf())
_go_on()
