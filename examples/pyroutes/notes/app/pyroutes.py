"""Stands in for the package pyroutes, which is Python 2: routes by the first
parts of the path, the rest are the handler's arguments."""

_routes = {}


class Response(object):
    def __init__(self, content, status="200 OK", content_type="text/plain; charset=utf-8"):
        self.content = content
        self.status = status
        self.content_type = content_type


def route(path):
    def register(handler):
        _routes[tuple(p for p in path.split("/") if p)] = handler
        return handler

    return register


def application(environ, start_response):
    parts = tuple(p for p in environ["PATH_INFO"].split("/") if p)
    response = Response("There is nothing here.\n", "404 Not Found")
    for length in range(len(parts), -1, -1):
        if parts[:length] in _routes:
            response = _routes[parts[:length]](environ, *parts[length:])
            break
    body = response.content.encode("utf-8")
    start_response(response.status, [
        ("Content-Type", response.content_type), ("Content-Length", str(len(body)))])
    return [body]
