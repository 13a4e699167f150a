"""Answers by memory that is shared with the master, see runner/wsgi/doc.go."""

from mmap import mmap

from . import link
from .link import allocate_lock

_STATE = link.ABORTS  # where it begins, behind the abort table
_DATA = 8192
_SIZE = 32 << 10  # a power of two

# The state, each in a cache line of its own: bytes written by us and read by the
# master since the start, and whether the next message must wake the master.
_WRITTEN, _READ, _ASLEEP = 0, 8, 16


def sender(send):
    """Two functions: one that does what send does for whole messages, and spares
    the system call where the master is awake; and one that wakes it. Raises
    OSError where the memory cannot be mapped."""
    size = _SIZE
    area = memoryview(mmap(link.shared(), _DATA + size))
    state = area[_STATE:_DATA].cast("Q")
    data = area[_DATA:]
    lengths = data.cast("Q")
    link.views += [area, state, data, lengths]
    lock = allocate_lock()
    acquire = lock.acquire
    release = lock.release
    nudge = link.HEADER.pack(link.NUDGE, 0, 0)
    mask = size - 1
    written = 0

    def put(message):
        nonlocal written
        if state[_ASLEEP]:
            state[_ASLEEP] = 0
            send(message)
            return
        length = len(message)
        at = written & mask
        new = (written + length + 15) & -8
        around = at + 8 + length > size  # a message does not go round the end
        if around:
            new += size - at
        if new - state[_READ] > size:
            send(message)
            return
        if around:
            lengths[at >> 3] = 0
            at = 0
        lengths[at >> 3] = length
        data[at + 8:at + 8 + length] = message
        state[_WRITTEN] = written = new
        # That must be seen before we look whether the master has gone to sleep
        # meanwhile. A lock is a barrier, and Python has no other.
        acquire()
        release()
        if state[_ASLEEP]:
            state[_ASLEEP] = 0
            send(nudge)

    return put, lambda: send(nudge)
