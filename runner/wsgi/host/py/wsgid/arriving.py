"""The body of a request that is read as it arrives (request.buffering = false)."""

from _io import FileIO
from io import BufferedReader, RawIOBase

from . import link
from .response import ClientGone

_PIECE = 65536


class _Pipe(RawIOBase):
    """Bytes come through a pipe once the master knows that somebody reads. Where it ends
    the body does only if the master says so: its client may have gone."""

    def __init__(self, fd, send, slot, seq):
        self._file = FileIO(fd, "rb")
        self._send = send
        self._place = slot, seq
        self._asked = False

    def readable(self):
        return True

    def readinto(self, buffer):
        if not self._asked:
            self._asked = True
            self._send(link.HEADER.pack(link.WANTED, 0, self._place[1]))
        size = self._file.readinto(buffer)
        if not size and len(buffer):
            slot, seq = self._place
            if link.aborts()[slot] != seq ^ 0xFFFFFFFF:
                raise ClientGone("the rest of the request's body does not come: its client has gone, was too slow "
                                 "or sent more than request.max_body; the log of the app says which")
        return size

    def readall(self):
        pieces = []
        while True:
            piece = self.read(_PIECE)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)

    def close(self):
        if not self.closed:
            self._file.close()
        super().close()


def arriving(fd, send, slot, seq):
    return BufferedReader(_Pipe(fd, send, slot, seq), _PIECE)
