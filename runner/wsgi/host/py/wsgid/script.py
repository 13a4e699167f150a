"""An application in a file of any name, as /usr/bin/keystone-wsgi-public."""

import sys

from .link import Failed


def split(text):
    """(file, attribute, whether it is to be called) of "/file" or "/file:attr"."""
    file, colon, attr = text.rpartition(":")
    call = attr.endswith("()")
    name = attr[:-2] if call else attr
    if colon and all(part.isidentifier() for part in name.split(".")):
        return file, name, call
    return text, "application", False


def module_name(file):
    """What its module is called: never __main__, by which such files know that
    somebody runs them from a shell."""
    return "wsgid_file_" + "".join(c if c.isalnum() and c.isascii() else "_" for c in file)


def load(file, what):
    """Imports the file, once."""
    name = module_name(file)
    if name in sys.modules:
        return
    try:
        with open(file, "rb") as f:
            source = f.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as exc:
        raise Failed("%s names the file %s: %s" % (what, file, exc.strerror),
                     "correct the path, or install what has the file") from None
    module = type(sys)(name)
    module.__file__ = file
    sys.modules[name] = module
    try:
        exec(compile(source, file, "exec"), module.__dict__)
    except BaseException:
        sys.modules.pop(name, None)
        raise
