"""wsgid as an application and its plugins see it: ``wsgid.__version__``,
``wsgid.prefork``, ``wsgid.postfork`` and ``wsgid.shared``; plugins find the rest in
wsgid.core, wsgid.loaders, wsgid.interfaces.filters and wsgid.conf."""

__version__ = ""  # set by the worker

_before = []
_hooks = []


def prefork(function):
    """Decorator: with ``preload``, call the function in the template once the
    application is loaded and before any worker is forked from it: the place to
    close what processes cannot share. Where something of that kind (a socket, a
    pipe, an epoll) is open still, no worker is forked: each loads the application
    by itself. Without ``preload`` it is not called."""
    _before.append(function)
    return function


def postfork(function):
    """Decorator: call the function in every worker once the application is
    loaded and before its first request. With ``preload`` that is after the
    fork from the template: the place to open what processes cannot share
    (database connections, sockets, threads)."""
    _hooks.append(function)
    return function


def shared(what):
    """Names something open (a socket, a pipe, or its descriptor) that workers may
    share with ``preload``. Returns it."""
    from .sharing import allow

    allow(what)
    return what
