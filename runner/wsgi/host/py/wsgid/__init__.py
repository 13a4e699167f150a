"""wsgid as an application and its plugins see it: ``wsgid.__version__`` and
``wsgid.postfork``; plugins find the rest in wsgid.core, wsgid.loaders,
wsgid.interfaces.filters and wsgid.conf."""

__version__ = ""  # set by the worker

_hooks = []


def postfork(function):
    """Decorator: call the function in every worker once the application is
    loaded and before its first request. With ``preload`` that is after the
    fork from the template: the place to open what processes cannot share
    (database connections, sockets, threads)."""
    _hooks.append(function)
    return function
