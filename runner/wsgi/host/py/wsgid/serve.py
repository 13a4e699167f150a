"""The loop of a worker's thread: one request after the other from its slot.

This is the path of every request, so it does as little as Python can: one
receive, one marshal.loads, the application, one send. Where the master has
several requests at once, one receive brings them all.
"""

from _io import BytesIO, open
from errno import EBADF, ECONNRESET, EMFILE, ENOTCONN, ENOTSOCK, EOPNOTSUPP
from marshal import loads
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from os import close, strerror

from . import link
from .link import BODY_FILE, BODY_PIPES, BODY_STREAM, HEAD, LAST, MAX_MESSAGE, QUIT, REQUEST, REQUESTS, ROOM, SIZED
from .response import FileWrapper, Response

TAKEN = 0  # in the place of a message's type
LOST = (EBADF, ENOTSOCK, ENOTCONN, ECONNRESET, EOPNOTSUPP)  # of a link that is none any more


def environ_constants(config, errors):
    """What every environ holds besides what the master sends."""
    return {
        "wsgi.version": (1, 0),
        "wsgi.errors": errors,
        "wsgi.multithread": config.get("threads", 1) > 1,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,  # read() ends where the body does, chunked or not
    }


def serve(sock, slot, app, config, errors, check_owner):
    """Returns when the master says quit. check_owner ends a process that the application
    forked and that came back to here, with an exception or without."""
    number = sock.fileno()
    # Memory that costs nothing before a message needs it.
    buffer = mmap(-1, MAX_MESSAGE, MAP_PRIVATE | MAP_ANONYMOUS)
    view = memoryview(buffer)
    environ_bytes = view[SIZED.size:]
    receive = sock.recv_into
    send = sock.send
    unpack = SIZED.unpack_from
    pack = SIZED.pack
    put, wake = send, None
    ring = slot == 0 and config.get("ring")  # not tried yet
    constants = environ_constants(config, errors)

    def log(response, what, exc):
        # The environ as it came: the application may have changed its own.
        environ = loads(environ_bytes)
        if type(environ) is list:  # of several requests
            environ = environ[environ.index(response.seq) - 1]
        try:
            from .failure import request_log

            request_log(errors, config.get("app", ""), environ, what, exc)
        except Exception as why:  # no descriptor to import it with, for one
            link.say("%s: %s %r (and it cannot be logged as usual: %r)\n" % (config.get("app", ""), what, exc, why))

    class ThreadResponse(Response):
        pass

    ThreadResponse.sock = sock
    ThreadResponse.send = send
    ThreadResponse.slot = slot
    ThreadResponse.log = log
    ThreadResponse.check_owner = staticmethod(check_owner)
    ThreadResponse.debug = bool(config.get("debug"))
    ThreadResponse.masks = config.get("masks", ())

    def handle(seq, environ, body):
        buffer[0] = TAKEN
        environ.update(constants)
        environ["wsgi.input"] = body
        response = ThreadResponse()
        response.seq = seq
        if environ["REQUEST_METHOD"] == "HEAD":
            response.is_head = response.bare = True
        try:
            result = app(environ, response.start_response)
            if type(result) is list and len(result) == 1:
                block = result[0]
                head = response.head
                if (
                    type(block) is bytes
                    and head is not None
                    and not response.begun
                    and not response.bare
                    and (response.length < 0 or response.length == len(block))
                    and len(head) + len(block) <= ROOM
                ):
                    response.done = True
                    put(pack(HEAD, LAST, seq, len(head)) + head + block)
                    return
            response.finish(result)
        except BaseException as exc:
            if sock.fileno() < 0:  # closed in what the application forked
                check_owner(None if response.done else exc)
            response.fail(exc)
            if wake is not None:
                wake()  # it may have been raised in put, by a signal's handler

    requests = []  # of those that came together: what is to be served yet

    def run():
        nonlocal ring, requests, put, wake
        while True:
            while requests:
                # Taken off as they are served: none keeps its environ alive longer.
                handle(requests.pop(), requests.pop(), BytesIO())
            size = receive(buffer)
            if size > 12 and buffer[0] == REQUEST:
                _, flags, seq, length = unpack(buffer)
                length += 12
                if flags & BODY_FILE:
                    with body_file(sock, flags, slot, seq) as body:
                        handle(seq, loads(environ_bytes), body)
                elif size > length:
                    handle(seq, loads(environ_bytes), BytesIO(view[length:size]))
                else:
                    handle(seq, loads(environ_bytes), BytesIO())
            elif size > 12 and buffer[0] == REQUESTS:
                if ring:
                    # Not before it pays: most workers never see such a message.
                    ring = False
                    try:
                        from .ring import sender

                        put, wake = sender(send)
                    except (ImportError, OSError, ValueError):
                        pass
                requests = loads(environ_bytes)
            elif not size:
                link.leave(1)  # the master is gone
            elif buffer[0] == QUIT:
                return

    def interrupted(exc):
        """Something was raised between two requests: by a signal's handler of the
        application, or because a request cannot be taken."""
        if buffer[0] == REQUEST:
            buffer[0] = TAKEN
            response = ThreadResponse()
            _, _, response.seq, _ = unpack(buffer)
            response.fail(exc)
        else:
            link.say("%s: the application raised between two requests: %r\n" % (config.get("app", ""), exc))

    while True:
        try:
            return run()
        except Exception as exc:
            if getattr(exc, "errno", None) in LOST:
                check_owner(exc)
                link.say("%s: the application has closed or replaced descriptor %d, which is the worker's "
                         "link to its master: the worker ends\n" % (config.get("app", ""), number))
                link.leave(1)
            interrupted(exc)


def body_file(sock, flags, slot, seq):
    """The reader of a body that comes as a descriptor, or several."""
    message, fds = link.receive_descriptors(sock, link.MOST_PIPES)
    if not fds or flags & BODY_PIPES and len(fds) != link.HEADER.unpack(message)[2]:
        for fd in fds:
            close(fd)
        raise OSError(EMFILE, "cannot take the body of a request: " + strerror(EMFILE))
    if flags & BODY_STREAM:
        from .arriving import arriving

        return arriving(fds[0], sock.send, slot, seq)
    if len(fds) > 1:
        from .arriving import arrived

        return arrived(fds)
    return open(fds[0], "rb", 65536)
