"""What plugins for wsgid 0.7 import from wsgid.core."""

from plugnplay import Plugin

__all__ = ["Message", "Plugin", "StartResponse", "StartResponseCalledTwice", "get_main_logger"]


class StartResponseCalledTwice(Exception):
    pass


class StartResponse(object):
    """A start_response that keeps what it is told; body_written and body hold
    what came through write()."""

    def __init__(self, message=None, server=None):
        self.message = message
        self.server = server
        self.status = ""
        self.headers = []
        self.called = False
        self.headers_sent = False
        self.body_written = False
        self.body = b""

    def __call__(self, status, response_headers, exc_info=None):
        if self.called and exc_info is None:
            raise StartResponseCalledTwice("start_response was called twice without exc_info")
        if exc_info is not None:
            exc_info = None  # nothing is sent before the application is done
        self.called = True
        self.status = status
        self.headers = response_headers
        return self.write

    def write(self, data):
        self.body_written = True
        self.body += data


class Message(object):
    """A mongrel2 request: server_id, client_id, path, headers, body."""

    def __init__(self, server_id, client_id, path, headers, body):
        self.server_id = server_id
        self.client_id = client_id
        self.path = path
        self.headers = headers
        self.body = body

    def is_disconnect(self):
        return False  # the master keeps disconnects to itself

    def is_upload_start(self):
        return False  # and begins a request when its upload is done

    def is_upload_done(self):
        return "x-mongrel2-upload-done" in self.headers

    @property
    def async_upload_path(self):
        return self.headers.get("x-mongrel2-upload-done")


def get_main_logger():
    import logging

    logger = logging.getLogger("wsgid")
    if not logger.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s - %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
        from wsgid.link import config

        logger.setLevel(logging.DEBUG if config.get("debug") else logging.INFO)
    return logger


def __getattr__(name):
    # logging is imported when the first plugin wants it.
    if name == "log":
        return get_main_logger()
    raise AttributeError("module 'wsgid.core' has no attribute %r" % name)
