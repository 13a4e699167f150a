import os
from time import monotonic

from wsgid.core import Plugin, log
from wsgid.interfaces.filters import IPostRequestFilter, IPreRequestFilter

SLOW = float(os.environ.get("SLOW_SECONDS", "1"))
started = {}


class TimingStart(Plugin):
    implements = [IPreRequestFilter]

    def process(self, message, environ):
        started[message.server_id, message.client_id] = monotonic()


class TimingEnd(Plugin):
    implements = [IPostRequestFilter]

    def process(self, message, status, headers, body):
        seconds = self.seconds(message)
        if seconds > SLOW:
            log.warning("slow: %s took %.3f s", message.path, seconds)
        return status, headers + [("X-Time", "%.3f" % seconds)], body

    def exception(self, message, e):
        log.warning("%s failed after %.3f s: %s", message.path, self.seconds(message), e)

    @staticmethod
    def seconds(message):
        return monotonic() - started.pop((message.server_id, message.client_id))
