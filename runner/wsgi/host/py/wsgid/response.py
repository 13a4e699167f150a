"""One response: PEP 3333's start_response, write and what becomes of the
iterable. The common case, a response of one block, is in serve.py."""

from . import headers as check
from . import link
from .link import ABORT, DATA, END, HEAD, HEADER, LAST, MAX_MESSAGE, PART, ROOM, SIZED, Misuse

_LENGTH = "Content-Length: "

# The names of headers that were dropped, in lower case: each is told once.
_dropped = set()

# What has passed the checks of headers.py: status -> its line, name -> its
# prefix. Statuses that forbid a body are not kept, nor is anything that a
# client could multiply without end.
_statuses = {}
_names = {"Content-Length": _LENGTH}
_MOST = 1000

_LONGEST_HEAD = MAX_MESSAGE // 2
_INLINE_FILE = 64 << 10  # a smaller file is sent as bytes


class ClientGone(ConnectionAbortedError):
    """Raised by write() once the client has gone, and by a body that is read as it
    arrives where the rest of it does not."""


class FileWrapper(object):
    """wsgi.file_wrapper. Returned as it is, a regular file goes to the master
    as a descriptor; wrapped by a middleware it is read block by block."""

    def __init__(self, filelike, blksize=8192):
        self.filelike = filelike
        self.blksize = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self):
        return self

    def __next__(self):
        data = self.filelike.read(self.blksize)
        if data:
            return data
        raise StopIteration

    # What answers a Range by skipping to its start (werkzeug's does) would read
    # the file up to there where it could not seek.

    def seekable(self):
        seekable = getattr(self.filelike, "seekable", None)
        return hasattr(self.filelike, "seek") if seekable is None else bool(seekable())

    def seek(self, *place):
        return self.filelike.seek(*place)

    def tell(self):
        return self.filelike.tell()


class Response(object):
    """The state of one response. Each thread has a subclass with its own
    ``sock``, ``send`` and ``slot``: that spares a request three assignments."""

    sock = send = None
    slot = 0
    log = None  # called with (response, what, exception or None)

    seq = 0
    head = None  # status line and header lines; None: start_response was not called
    length = -1  # Content-Length, -1 where the application set none
    is_head = False  # the request is a HEAD request
    bare = False  # the response must have no body
    counts = True  # a Content-Length may be added
    count = 0  # bytes of body sent
    begun = False  # the head was sent
    done = False  # the last message was sent
    gone = False  # the client has gone
    surplus = False  # more came than Content-Length, and was logged

    def start_response(self, status, headers, exc_info=None):
        if self.head is not None or exc_info is not None:
            self._restart(exc_info)
        try:
            # Only what headers.py has seen before, and values that cannot be
            # wrong: everything else goes the long way, for the same result.
            text = _statuses[status]
            length = -1
            if type(headers) is not list:
                raise TypeError
            for name, value in headers:
                prefix = _names[name]
                if prefix is _LENGTH:
                    if length >= 0 or not value.isdigit():
                        raise ValueError
                    length = int(value)
                elif not value.isprintable():
                    raise ValueError
                text = f"{text}{prefix}{value}\r\n"
            if len(text) > _LONGEST_HEAD:
                raise ValueError
            self.head = text.encode("ascii")
            self.length = length
        except (KeyError, ValueError, TypeError, AttributeError):
            self._start_slowly(status, headers)
        return self.write

    def _restart(self, exc_info):
        try:
            if exc_info is not None:
                if self.begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            elif self.head is not None:
                raise AssertionError("start_response was called twice without exc_info")
        finally:
            exc_info = None
        self.head = None
        self.length = -1
        self.bare = self.is_head
        self.counts = True

    def _start_slowly(self, status, headers):
        code = check.check_status(status)
        lines, length, dropped = check.check_headers(headers)
        for name in dropped:
            self._note_dropped(name)
        head = ("%s\r\n%s" % (status, lines)).encode("latin-1")
        if len(head) > _LONGEST_HEAD:
            raise ValueError("the response's headers are %d bytes long: too many" % len(head))
        if code in (204, 304):
            self.bare = True
            self.counts = False
            if code == 204 and length >= 0:  # RFC 9110, section 8.6
                lines = "".join(
                    line + "\r\n"
                    for line in lines.split("\r\n")
                    if line and not line.lower().startswith("content-length:")
                )
                head = ("%s\r\n%s" % (status, lines)).encode("latin-1")
                length = -1
        elif type(status) is str:
            if len(_statuses) > _MOST:
                _statuses.clear()
            _statuses[status] = status + "\r\n"
        for name, _ in headers:
            if type(name) is str and name not in _names and name not in dropped:
                if len(_names) > _MOST:
                    _names.clear()
                    _names["Content-Length"] = _LENGTH
                _names[name] = _LENGTH if name.lower() == "content-length" else name + ": "
        self.head = head
        self.length = length

    def write(self, block):
        """PEP 3333, "The write() Callable"."""
        if type(block) is not bytes:
            block = _to_bytes(block, "write() was given")
        if self.gone or (self.begun and self.aborted()):
            self.gone = True
            raise ClientGone("the client has gone")
        if block:
            self.data(block)

    def aborted(self):
        return link.aborts()[self.slot] == self.seq

    # What the application returned.

    def finish(self, result):
        """Sends the response of any iterable but the simplest."""
        kind = type(result)
        try:
            if kind is list or kind is tuple:
                self._blocks(result)
            elif kind is not FileWrapper or not self._file(result):
                self._iterate(result)
            if not self.gone:
                self.end()
        finally:
            # Also where the client has gone, and where iterating raised.
            close = getattr(result, "close", None)
            if close is not None:
                close()
        if self.gone and not self.done:
            self.done = True
            self._send(HEADER.pack(END, 0, self.seq))

    def _blocks(self, blocks):
        for block in blocks:
            if type(block) is not bytes:
                blocks = [_to_bytes(b, "the application returned a list with") for b in blocks]
                break
        self._whole(blocks[0] if len(blocks) == 1 else b"".join(blocks))

    def _whole(self, body):
        """All of the body is there: its length is known."""
        if not self.begun:
            self._need_head()
            if self.length < 0 and self.counts and (body or not self.is_head):
                self._add_length(len(body))
            if len(body) < self.length and not self.bare:
                self.count = len(body)
                return  # end() finds it too short, in time for an honest 500
        if body:
            self.data(body)

    def _iterate(self, result):
        if result is None or isinstance(result, (str, bytes, bytearray)):
            raise Misuse(
                "the application returned %s, not an iterable of bytes"
                % ("None" if result is None else "a single %s" % type(result).__name__)
            )
        try:
            iterator = iter(result)
        except TypeError:
            raise Misuse(
                "the application returned %s %.80r, not an iterable of bytes"
                % (type(result).__name__, result)
            ) from None
        try:
            single = len(result) == 1
        except Exception:
            single = False
        # Not by "for", which would call __iter__ once more: an iterable may count
        # on being asked once, as other servers do.
        while True:
            try:
                block = next(iterator)
            except StopIteration:
                return
            if type(block) is not bytes:
                block = _to_bytes(block, "the application's iterable gave")
            if not block:
                continue
            if not self.begun:
                self._need_head()
                if single and self.length < 0 and self.counts:
                    self._add_length(len(block))
            elif self.done:
                if not self.bare:
                    self._note_surplus()
                return
            self.data(block)
            if self.bare:
                return
            if not self.done and self.aborted():
                self.gone = True
                return

    def _file(self, wrapper):
        """Sends a regular file by its descriptor; False where it is none."""
        place = _regular_file(wrapper.filelike)
        if place is None or self.begun:
            return False
        self._need_head()
        fd, offset, size = place
        if self.length < 0 and self.counts:
            self._add_length(size)
        if self.bare or size < self.length:
            return True  # end() sends the head, or finds the file too short
        size = self.length
        if size <= _INLINE_FILE:
            from os import pread

            self._whole(pread(fd, size, offset))
            return True
        self._send(SIZED.pack(HEAD, 0, self.seq, len(self.head)) + self.head)
        self.begun = True
        try:
            link.send_descriptor(self.sock, link.FILE.pack(PART, LAST, self.seq, offset, size), fd)
        except OSError:
            self._lost()
        self.count = size
        self.done = True
        return True

    # Messages.

    def data(self, block):
        """Sends a block that is not empty."""
        if self.head is None:
            self._need_head()
        size = len(block)
        if self.bare:
            self.count += size
            self._send_head_only()
            return
        if self.length >= 0:
            left = self.length - self.count
            if size > left:
                self._note_surplus()
                if not left:
                    if not self.begun:
                        self._send_head_only()
                    return
                block = block[:left]
                size = left
        self.count += size
        last = LAST if self.count == self.length else 0
        start = 0
        if not self.begun:
            self.begun = True
            start = ROOM - len(self.head)
            flags = last if start >= size else 0
            head = SIZED.pack(HEAD, flags, self.seq, len(self.head)) + self.head
            if size <= start:
                self.done = bool(last)
                self._send(head + block)
                return
            self._send_parts(head, memoryview(block)[:start])
        view = memoryview(block)
        step = MAX_MESSAGE - HEADER.size
        while start < size:
            if start and self.aborted():
                self.gone = True
                return
            flags = last if start + step >= size else 0
            self._send_parts(HEADER.pack(DATA, flags, self.seq), view[start:start + step])
            start += step
        self.done = bool(last)

    def end(self):
        """The application has nothing more to say."""
        if self.done:
            return
        self._need_head()
        if self.bare:
            self._send_head_only()
        elif self.length > self.count:
            text = "the application promised %d bytes (Content-Length) and gave %d" % (
                self.length, self.count)
            raise Misuse(text)
        elif not self.begun:
            self._send_head_only()
        else:
            self.done = True
            self._send(HEADER.pack(END, 0, self.seq))

    def fail(self, exc):
        """The application raised, or broke a rule."""
        if self.gone or isinstance(exc, ClientGone):
            if not isinstance(exc, ClientGone):
                self.log("after the client had gone, the application raised", exc)
            if not self.done:
                self.done = True
                self._send(HEADER.pack(END, 0, self.seq))
            return
        self.log("the application raised", exc)
        if self.done:
            return
        self.done = True
        if self.begun:
            self._send(HEADER.pack(ABORT, 0, self.seq))
            return
        body = b"Internal Server Error\n"
        if self.debug:
            from .failure import format_exception

            body = format_exception(exc)
            for secret in self.masks:
                body = body.replace(secret, "(sensitive)")
            body = body.encode("utf-8", "backslashreplace")[:65536]
        head = (
            "500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: %d\r\n" % len(body)
        ).encode()
        if self.is_head:
            body = b""
        self._send(SIZED.pack(HEAD, LAST, self.seq, len(head)) + head + body)

    debug = False
    masks = ()

    def _need_head(self):
        if self.head is None:
            raise Misuse("the application did not call start_response before its first block")

    def _add_length(self, size):
        self.head += b"Content-Length: %d\r\n" % size
        self.length = size

    def _note_surplus(self):
        if not self.surplus:
            self.surplus = True
            self.log(
                "the application gave more than the %d bytes it promised (Content-Length): "
                "the surplus is dropped" % self.length, None)

    def _note_dropped(self, name):
        lower = name.lower()
        if lower not in _dropped:
            _dropped.add(lower)
            self.log(
                "the application set the header %s, which belongs to the server (PEP 3333, "
                "hop-by-hop headers): it is dropped; told once" % name, None)

    def _send_head_only(self):
        if not self.begun:
            self.begun = self.done = True
            self._send(SIZED.pack(HEAD, LAST, self.seq, len(self.head)) + self.head)

    def _send(self, message):
        try:
            self.send(message)
        except OSError:
            self._lost()

    def _send_parts(self, header, view):
        try:
            self.sock.sendmsg((header, view))
        except OSError:
            self._lost()

    def _lost(self):
        self.check_owner()
        link.leave(1)  # the master is gone


def _to_bytes(block, who):
    if isinstance(block, bytes):
        return bytes(block)
    hint = ""
    if isinstance(block, str):
        hint = ": encode it"
    raise Misuse("%s %s %.60r, not bytes%s" % (who, type(block).__name__, block, hint))


def _regular_file(filelike):
    """(descriptor, offset, bytes left) of a file that can be sent by its
    descriptor. A type that is not known may decode what it reads, as GzipFile
    does, for all that it has a fileno."""
    from _io import BufferedRandom, BufferedReader, FileIO
    from os import fstat, pread

    wrapper = type(filelike)
    if wrapper.__module__ in ("tempfile", "django.core.files.base", "django.core.files.temp"):
        filelike = getattr(filelike, "file", None)
    if type(filelike) not in (BufferedReader, BufferedRandom, FileIO):
        return None
    try:
        if type(filelike) is BufferedRandom:
            filelike.flush()
        fd = filelike.fileno()
        stat = fstat(fd)
        offset = filelike.tell()
        if stat.st_mode & 0o170000 != 0o100000:
            return None
        # Of those of /proc the kernel tells no size, of those of /sys that of a page:
        # they are read. Only what has no blocks can be one of /sys.
        if not stat.st_size:
            if pread(fd, 1, offset):
                return None
        elif not stat.st_blocks and not pread(fd, 1, stat.st_size - 1):
            return None
    except (OSError, ValueError):
        return None
    return fd, offset, max(0, stat.st_size - offset)
