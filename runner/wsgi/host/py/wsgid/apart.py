"""What workers that are forked from a template must not do alike, or in its place."""

import os
import sys

from . import ending, sharing
from .link import dup2

_forks = 0
_number = None  # where the sequence numbers of UUIDs begin


def count():
    """Notes, in the template, that one more worker is forked."""
    global _forks, _number
    if _number is None:
        _number = int.from_bytes(os.urandom(2), "big")
    _forks += 1


def renew():
    """Parts a worker, just forked, from the template and its siblings."""
    ending.leave()
    _number_uuids()
    for name in os.listdir("/proc/self/fd"):
        try:
            _reopen(int(name))
        except OSError:
            pass  # it was that of the listing, or may not be opened again


def _number_uuids():
    """Gives uuid.uuid1() a sequence number of this worker alone. libuuid has drawn one
    in the template if it was asked there, and two workers that ask in the same
    microsecond would get the same UUID."""
    module = sys.modules.get("uuid")
    generate = getattr(module, "_generate_time_safe", None)
    if generate is None:
        return
    number = (_number + _forks) & 0x3FFF | 0x8000

    def generate_apart():
        made, safe = generate()
        return made[:8] + number.to_bytes(2, "big") + made[10:], safe

    module._generate_time_safe = generate_apart


def _reopen(fd):
    """Gives a file that is only read a place of its own in it. The template's is that
    of all workers: one would read where another one has sought to."""
    from fcntl import F_GETFL, fcntl

    if fcntl(fd, F_GETFL) & (os.O_WRONLY | os.O_RDWR | os.O_PATH) or not sharing.is_file(fd) or sharing.locks(fd):
        return
    path = "/proc/self/fd/%d" % fd
    there = os.lseek(fd, 0, os.SEEK_CUR)
    own = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(own)[1:3] == os.fstat(fd)[1:3]:  # inode, device
            os.lseek(own, there, os.SEEK_SET)
            dup2(own, fd, os.get_inheritable(fd))
    finally:
        os.close(own)
