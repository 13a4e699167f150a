"""The interfaces of request filters (wsgid 0.7)."""

from plugnplay import Interface


class IPreRequestFilter(Interface):
    """Sees a request before the application does."""

    def process(self, m2message, environ):
        """May change the environ."""


class IPostRequestFilter(Interface):
    """Sees a response before the client does. The whole body is collected for
    it, so a streamed response is streamed no more."""

    def process(self, m2message, status, headers, body):
        """Returns the triple (status, headers, body), changed or not."""

    def exception(self, m2message, e):
        """Is called instead of process when the application raised."""
