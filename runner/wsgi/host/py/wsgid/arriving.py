"""The body of a request that comes by pipes: as it arrives (request.buffering = false), or
all of it in several."""

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
                raise ClientGone("the rest of the request's body will not arrive: its client has gone, was too slow "
                                 "or sent more than request.max_body; the log of the app says which")
        return size

    def readall(self):
        return _all(self.read)

    def close(self):
        if not self.closed:
            self._file.close()
        super().close()


class _Pipes(RawIOBase):
    """The bytes that are in several pipes, one behind the other."""

    def __init__(self, fds):
        self._files = [FileIO(fd, "rb") for fd in fds]

    def readable(self):
        return True

    def readinto(self, buffer):
        files = self._files
        while files:
            size = files[0].readinto(buffer)
            if size or not len(buffer):
                return size
            files.pop(0).close()
        return 0

    def readall(self):
        return _all(self.read)

    def close(self):
        while self._files:
            self._files.pop().close()
        super().close()


def _all(read):
    pieces = []
    while True:
        piece = read(_PIECE)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def arriving(fd, send, slot, seq):
    return BufferedReader(_Pipe(fd, send, slot, seq), _PIECE)


def arrived(fds):
    return BufferedReader(_Pipes(fds), _PIECE)
