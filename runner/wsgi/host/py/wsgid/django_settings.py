"""The settings of django.json over those of a project.

It imports nothing of the host: stages of a deploy use it, too.
"""

import sys

# An entry of these settings cannot stand without this key, so an entry of
# django.json that lacks it completes the one of the settings.
_NEEDED = {"DATABASES": "ENGINE", "CACHES": "BACKEND", "STORAGES": "BACKEND"}


def take_up(conf, extra, file, warnings):
    """Makes the settings of a framework's conf package take up extra when they are
    loaded."""
    original = conf.Settings.__init__

    def init(self, settings_module):
        __import__(settings_module)
        merge(sys.modules[settings_module], extra, file, warnings)
        original(self, settings_module)

    conf.Settings.__init__ = init


def merge(settings, extra, file, warnings):
    """wsgid's rules: a setting that is missing is made; a dict goes into a dict
    key by key, the file wins; a list goes behind a list or a tuple; of
    different types the file's wins."""
    for key, value in extra.items():
        if not key.isupper():
            warnings.append("%s: %s is not a setting: Django's settings are upper case" % (file, key))
        old = getattr(settings, key, None)
        if isinstance(value, dict) and isinstance(old, dict):
            for name, entry in value.items():
                if _completes(key, entry, old.get(name)):
                    entry = dict(old[name], **entry)
                old[name] = entry
        elif isinstance(value, list) and isinstance(old, list):
            old.extend(value)
        elif isinstance(value, list) and isinstance(old, tuple):
            setattr(settings, key, old + tuple(value))
        else:
            setattr(settings, key, value)


def _completes(key, entry, old):
    needed = _NEEDED.get(key)
    return (needed is not None and isinstance(entry, dict) and isinstance(old, dict)
            and needed not in entry)
