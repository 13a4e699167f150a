"""Tells a WSGI application from what else can be called, before the first
request finds out."""

import types

from .link import Failed

_COROUTINE, _ASYNC_GENERATOR, _VARARGS = 0x80, 0x200, 0x04
_FACTORY = ("create", "make", "build", "get", "init", "setup")


def signature(app):
    """(code object, number of its arguments that a caller does not give,
    defaults) of what runs when app is called; None where Python cannot tell."""
    skip = 0
    if isinstance(app, type):
        if type(app).__call__ is not type.__call__ or app.__new__ is not object.__new__:
            return None
        app, skip = app.__init__, 1
        if app is object.__init__:
            return None, 1, ()
    elif not isinstance(app, (types.FunctionType, types.MethodType)):
        app, skip = getattr(type(app), "__call__", None), 1
    if isinstance(app, types.MethodType):
        app, skip = app.__func__, skip + 1
    if not isinstance(app, types.FunctionType):
        return None
    return app.__code__, skip, app.__defaults__ or ()


def check(app, name, place):
    """Raises Failed where app cannot be a WSGI application. Doubt is no reason."""
    found = signature(app)
    if found is None:
        return
    code, skip, defaults = found
    if code is None:  # a class without arguments
        names, most, least, flags = (), 0, 0, 0
    else:
        names = code.co_varnames[skip:code.co_argcount]
        most, flags = len(names), code.co_flags
        least = max(most - len(defaults), 0)
        if flags & _VARARGS:
            most = max(most, 2)
    if flags & (_COROUTINE | _ASYNC_GENERATOR) or least == 3 and names[0] == "scope":
        raise Failed("%s is an ASGI or other asynchronous application, not a WSGI one" % name,
                     _asgi_hint(name), *place())
    if isinstance(app, type) and most < 2:
        raise Failed("%s is a class, not a WSGI application" % name, _call_hint(name, least, names), *place())
    what = getattr(app, "__name__", type(app).__name__).lower()
    factory = what.startswith(_FACTORY) and what.endswith(("app", "application"))
    if most < 2 or least == 0 and factory and names[:1] not in (("environ",), ("env",)):
        if least == 0:
            raise Failed("%s is a function that returns the application, not the application" % name
                         if most or factory else
                         "%s takes no arguments, so it is not a WSGI application" % name,
                         _call_hint(name, least, names), *place())
        raise Failed("%s takes one argument (%s), so it is not a WSGI application" % (name, names[0]),
                     _call_hint(name, least, names), *place())
    if least > 2:
        raise Failed("%s takes %d arguments (%s), so it is not a WSGI application" % (name, least, ", ".join(names)),
                     "a WSGI application is called with (environ, start_response)", *place())


def _call_hint(name, least, names):
    if least:
        return "a WSGI application is called with (environ, start_response); if it makes the application, " \
            "call it in a module of its own: application = %s(…)" % name.rpartition(":")[2].rpartition(".")[2].strip()
    return 'if it makes the application, write: wsgi_app = "%s()"' % name.strip()


def _asgi_hint(name):
    module, colon, attr = name.rpartition(":")
    if not colon:
        module, _, attr = name.rpartition(".")
    parts = module.split(".")
    if parts[-1] == "asgi":
        return 'Django and others have a WSGI application beside it: wsgi_app = "%s"' % (
            ".".join(parts[:-1] + ["wsgi"]) + ":" + attr)
    return 'serve it by an ASGI server, or put an adapter around it: middleware = ["a2wsgi:ASGIMiddleware"] ' \
        "(of the package a2wsgi, in the app's virtualenv)"
