"""The loop of a worker's thread: one request after the other from its slot.

This is the path of every request, so it does as little as Python can: one
receive, one marshal.loads, the application, one send. Where the master has
several requests at once, one receive brings them all.
"""

from _io import BytesIO
from marshal import loads

from . import link
from .link import BODY_FILE, HEAD, LAST, MAX_MESSAGE, QUIT, REQUEST, REQUESTS, ROOM, SIZED
from .response import FileWrapper, Response
from .worker import check_owner


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


def serve(sock, slot, app, config, errors):
    """Returns when the master says quit."""
    buffer = bytearray(MAX_MESSAGE)
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
        from .failure import request_log

        request_log(errors, config.get("app", ""), environ, what, exc)

    class ThreadResponse(Response):
        pass

    ThreadResponse.sock = sock
    ThreadResponse.send = send
    ThreadResponse.slot = slot
    ThreadResponse.log = log
    ThreadResponse.debug = bool(config.get("debug"))

    def handle(seq, environ, body):
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

    while True:
        size = receive(buffer)
        if size > 12 and buffer[0] == REQUEST:
            _, flags, seq, length = unpack(buffer)
            length += 12
            if flags & BODY_FILE:
                with body_file(sock) as body:
                    handle(seq, loads(environ_bytes), body)
            elif size > length:
                handle(seq, loads(environ_bytes), BytesIO(view[length:size]))
            else:
                handle(seq, loads(environ_bytes), BytesIO())
        elif size > 12 and buffer[0] == REQUESTS:
            # Taken off as they are served: none keeps its environ alive longer.
            if ring:
                # Not before it pays: most workers never see such a message.
                ring = False
                try:
                    from .ring import sender

                    put, wake = sender(send)
                except (ImportError, OSError, ValueError):
                    pass
            requests = loads(environ_bytes)
            while requests:
                handle(requests.pop(), requests.pop(), BytesIO())
        elif not size:
            link.leave(1)  # the master is gone
        elif buffer[0] == QUIT:
            return


def body_file(sock):
    """The reader of a body that comes as a descriptor."""
    _, fds = link.receive_descriptors(sock, 1)
    if not fds:
        link.leave(1)
    return open(fds[0], "rb", 65536)
