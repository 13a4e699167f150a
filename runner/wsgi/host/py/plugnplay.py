"""The names of the plugnplay package that plugins for wsgid 0.7 import.

A class that subclasses Plugin and names interfaces in ``implements`` is made
once, when it is defined, and found through ``Interface.implementors()``.
"""

import sys

_found = []  # (interface, instance), in the order of definition
_broken = []  # (class, exception): a plugin whose __init__ raised


class Interface(object):
    """Marks what a plugin can implement."""

    @classmethod
    def implementors(cls):
        return [instance for interface, instance in _found if interface is cls]


class Plugin(object):
    """The base class of every plugin."""

    implements = []

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        # Only a class that says so itself implements something: a subclass
        # of a plugin is not a second one.
        interfaces = cls.__dict__.get("implements") or ()
        if not interfaces:
            return
        try:
            instance = cls()
        except Exception as exc:
            _broken.append((cls, exc))
            return
        cls._wsgid_file = getattr(sys.modules.get(cls.__module__), "__file__", "")
        _found.extend((interface, instance) for interface in interfaces)
