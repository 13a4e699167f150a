"""The plugins of wsgid 0.7: loaders and request filters."""

import os
import sys

import plugnplay

from .failure import place, summary
from .link import Failed


class Loader(object):
    def __init__(self, instance):
        self.instance = instance
        self.name = type(instance).__name__
        self.file = getattr(type(instance), "_wsgid_file", "")


class Plugins(object):
    """The plugins of some folders, imported."""

    def __init__(self, folders, config, warnings):
        self._root = config["app_path"]
        self._warnings = warnings
        self.problems = []  # what loaders that failed have to say
        self._errors = {}  # file -> the exception that its import raised
        for folder, names in folders:
            modules = [self._module_name(name[:-3]) for name in names]
            if folder not in sys.path:
                sys.path.insert(len(sys.path) - 1, folder)
            for name, module_name in zip(names, modules):
                self._import(os.path.join(folder, name), module_name)

    def _import(self, file, module_name):
        from importlib.util import module_from_spec, spec_from_file_location

        if getattr(sys.modules.get(module_name), "__file__", None) == file:
            return  # another plugin has imported it
        broken = len(plugnplay._broken)
        try:
            spec = spec_from_file_location(module_name, file)
            module = module_from_spec(spec)
            sys.modules[module_name] = module
            spec.loader.exec_module(module)
        except BaseException as exc:
            sys.modules.pop(module_name, None)
            self._errors[file] = exc
            self._warn("plugin cannot be imported", exc, file)
        for cls, exc in plugnplay._broken[broken:]:
            self._errors[file] = exc
            self._warn("plugin %s cannot be made" % cls.__name__, exc, file)

    @staticmethod
    def _module_name(name):
        """The plain name, as wsgid had it, so that plugins can import each
        other; but never in the way of another module."""
        from importlib.util import find_spec

        try:
            taken = name in sys.modules or find_spec(name) is not None
        except (ImportError, ValueError):
            taken = True
        return "wsgid_plugin_" + name if taken or not name.isidentifier() else name

    def _warn(self, what, exc, file=""):
        at, line = place(exc, self._root)
        text = "%s:%d: %s: %s" % (at or file, line, what, summary(exc, "the plugin"))
        self._warnings.append(text)
        self.problems.append(text)

    def loaders(self):
        from wsgid.loaders import IAppLoader

        return [Loader(instance) for instance in IAppLoader.implementors()]

    def can_load(self, loader, app_dir):
        try:
            return loader.instance.can_load(app_dir)
        except BaseException as exc:
            self._warn("can_load of %s raised" % loader.name, exc, loader.file)
            return False

    def fail_for(self, wanted):
        """Raises if a file that could not be imported was to define the wanted
        loader."""
        for file, exc in self._errors.items():
            try:
                with open(file, errors="replace") as f:
                    text = f.read()
            except OSError:
                continue
            if "class %s(" % wanted in text:
                raise Failed("loader %s cannot be imported: %s" % (wanted, summary(exc, "the plugin"))) from exc

    def filtered(self, app):
        """Returns (the application with its filters around it, True), or (the
        application, False) where there are none."""
        from wsgid.interfaces.filters import IPostRequestFilter, IPreRequestFilter

        before, after = IPreRequestFilter.implementors(), IPostRequestFilter.implementors()
        if not before and not after:
            return app, False
        from .filters import Filtered

        return Filtered(app, before, after), True
