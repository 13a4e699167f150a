"""Runs the request filters of wsgid 0.7 around an application."""

import sys
from itertools import count

from .core import Message, StartResponse

_numbers = count(1)


class Filtered(object):
    """A WSGI application with filters around it."""

    def __init__(self, app, before, after):
        self._app = app
        self._before = before
        self._after = after

    def __call__(self, environ, start_response):
        message = message_of(environ)
        for plugin in self._before:
            try:
                plugin.process(message, environ)
            except Exception as exc:
                _log(plugin, "process", exc)
        if not self._after:
            return self._app(environ, start_response)
        try:
            status, headers, body = self._collect(environ)
        except BaseException as exc:
            for plugin in self._after:
                if not hasattr(plugin, "exception"):
                    continue
                try:
                    plugin.exception(message, exc)
                except Exception as err:
                    _log(plugin, "exception", err)
            raise
        size = len(body)
        for plugin in self._after:
            try:
                status, headers, body = _triple(plugin.process(message, status, headers, body))
            except Exception as exc:
                _log(plugin, "process", exc)
        if len(body) != size:
            headers = _with_length(headers, size, len(body))
        start_response(status, headers)
        return [body]

    def _collect(self, environ):
        """The whole response: a filter sees the body as one string."""
        response = StartResponse()
        result = self._app(environ, response)
        try:
            blocks = list(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        if not response.called:
            raise AssertionError("the application did not call start_response")
        return response.status, response.headers, response.body + b"".join(blocks)


def _triple(value):
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        raise TypeError("process must return (status, headers, body), not %.80r" % (value,))
    status, headers, body = value
    if isinstance(body, str):  # wsgid 0.7 knew no other string
        body = body.encode("utf-8")
    if not isinstance(body, bytes):
        raise TypeError("process must return the body as bytes, not %s" % type(body).__name__)
    return status, list(headers), body


def _with_length(headers, old, new):
    """A Content-Length that was right before the filters is right after."""
    return [
        (name, str(new)) if name.lower() == "content-length" and value == str(old) else (name, value)
        for name, value in headers
    ]


def message_of(environ):
    """The mongrel2 message, or what comes nearest to it of an HTTP request."""
    fields = environ.pop("wsgid.m2message", None)
    if fields is not None:
        return Message(*fields)
    headers = {
        "METHOD": environ.get("REQUEST_METHOD", ""),
        "VERSION": environ.get("SERVER_PROTOCOL", ""),
        "PATH": environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
        "PATTERN": environ.get("SCRIPT_NAME", ""),
        "URL_SCHEME": environ.get("wsgi.url_scheme", ""),
        "REMOTE_ADDR": environ.get("REMOTE_ADDR", ""),
    }
    if environ.get("QUERY_STRING"):
        headers["QUERY"] = environ["QUERY_STRING"]
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            headers[key[5:].replace("_", "-").lower()] = value
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            headers[key.replace("_", "-").lower()] = value
    return Message("http", str(next(_numbers)), headers["PATH"], headers, b"")


def _log(plugin, method, exc):
    from .failure import format_exception, place, summary
    from .link import config

    file, line = place(exc, config.get("app_path", ""))
    if not file:  # it did not raise, but returned what it must not
        code = getattr(getattr(type(plugin), method), "__code__", None)
        if code is not None:
            file, line = code.co_filename, code.co_firstlineno
    sys.stderr.write("%s: %s:%d: filter %s.%s raised %s: it is skipped\n%s" % (
        config.get("app", ""), file, line, type(plugin).__name__, method, summary(exc),
        format_exception(exc)))
