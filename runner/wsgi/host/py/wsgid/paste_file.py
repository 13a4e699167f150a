"""An application that PasteDeploy makes as an ini file says, as for pserve."""

import os
import re
import sys

from .link import Failed

_WITH_SECTION = re.compile(r"(?s)(.*\.ini)(?::([\w.-]+))?")


def split(text):
    """(file, name of its section) of "/file.ini" or "/file.ini:name"; None: it is no such file."""
    found = _WITH_SECTION.fullmatch(text.strip())
    return (found.group(1), found.group(2) or "main") if found else None


def load(text, what):
    """What the section of the file makes, with the logging that the file says."""
    from urllib.parse import quote

    file, section = split(text)
    if not os.path.isfile(file):
        raise Failed("%s names the file %s: %s" % (what, file, "it is none" if os.path.exists(file) else "there is no such file"),
                     "correct the path")
    try:
        from paste.deploy import loadapp
    except ModuleNotFoundError as exc:
        if exc.name not in ("paste", "paste.deploy"):
            raise
        from .outdated import advice

        raise Failed("%s is read by PasteDeploy, which is not installed for %s" % (file, sys.executable),
                     advice() or "install PasteDeploy there, or name the app's virtualenv", file) from None
    _set_logging(file)
    try:
        return loadapp("config:" + quote(file), name=section)
    except Exception as exc:
        lost = _lost(exc)
        if lost is None:
            raise
        raise Failed("%s: %s" % (file, " ".join(str(exc).split())), lost, file) from None


def _lost(exc):
    """What is to be done where the file itself is at fault; None: the application's code is."""
    kind = type(exc).__name__
    if kind in ("DistributionNotFound", "PackageNotFoundError"):
        return "what follows egg: is a project that has to be installed for %s, as by pip install" % sys.executable
    last = exc.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    inside = last.tb_frame.f_globals.get("__name__", "")
    if inside.startswith("paste.deploy") and isinstance(exc, LookupError):
        return "write a section of that name, or the one that is meant behind the file: wsgi_app = \"…/production.ini:NAME\""
    if inside == "configparser" or kind == "InterpolationMissingOptionError":
        return "correct the file"
    return None


def _set_logging(file):
    from configparser import RawConfigParser

    known = RawConfigParser()
    known.read(file)
    if known.has_section("loggers"):
        from logging.config import fileConfig

        fileConfig(file, {"__file__": file, "here": os.path.dirname(file)}, disable_existing_loggers=False)
