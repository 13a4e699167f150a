#!/usr/bin/env bash
# Linux 6.18 (sockets of AF_UNIX), asked by Debian 12's Python 3.11
#
# Guess: what a peer sent before it closed is read first, and then its end, whatever kind
# the socket is of.
# What happens: where the peer closes (or is killed) with something of ours unread, a
# SOCK_STREAM gives its data and then "connection reset"; a SOCK_SEQPACKET gives
# "connection reset" first, and after it, if one asks again, everything that was sent.
# A peer that has read all gives no reset at all, so it happens under load alone.
# Who is hurt: a protocol between processes that takes the first error of a read for the
# end: the last answers, such as "I have taken this connection", are there and are never
# read.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >ask.py <<'PY'
import socket
import sys

ours, theirs = socket.socketpair(socket.AF_UNIX, getattr(socket, sys.argv[1]))
if sys.argv[2] == 'unread':
    ours.send(b'question')
theirs.send(b'answer')
theirs.close()
seen = []
for _ in range(3):
    try:
        seen.append(ours.recv(100).decode() or 'end')
    except OSError as error:
        seen.append(error.strerror)
print(', '.join(seen))
PY
ask() { /usr/bin/python3 ask.py "$@"; }
expect 'stream, peer has read all' 'answer, end, end' "$(ask SOCK_STREAM read)"
expect 'stream, something unread' 'answer, Connection reset by peer, end' "$(ask SOCK_STREAM unread)"
expect 'seqpacket, peer has read all' 'answer, end, end' "$(ask SOCK_SEQPACKET read)"
expect 'seqpacket, something unread' 'Connection reset by peer, answer, end' "$(ask SOCK_SEQPACKET unread)"
