#!/usr/bin/env bash
# libzmq 4.3.4 (Debian 12: libzmq5 4.3.4-6, asked by python3-zmq 24.0.1-4+b1)
#
# Guess: tcp://[::1]:9997 is an address as tcp://127.0.0.1:9997 is, or it is refused, since an address
# that cannot be taken is an error where it is given.
# What happens: unless a socket is told so before (ZMQ_IPV6), it has no IPv6. bind then says "No such
# device". connect succeeds, and so does every send until the queue is full: that the address is
# none is found out in the background, where nobody is told. Nothing ever comes.
# Who is hurt: who writes such an address into both of two configurations: one side, which may be a
# program that says little of its start, as mongrel2, does not listen, and the other one waits and
# has nothing to say.
. "$(dirname "$(readlink -f "$0")")/lib"
debian libzmq5=4.3.4-6 python3-zmq=24.0.1-4+b1 libsodium23 libpgm-5.3-0 libnorm1
export LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(printf '%s:' "$WORK"/root/usr/lib/*/ "$WORK"/root/lib/*/)
cat >try.py <<'PY'
"""try.py IPV6: what a pair of sockets makes of [::1], with and without the option."""
import sys

import zmq

context = zmq.Context()
puller, pusher = context.socket(zmq.PULL), context.socket(zmq.PUSH)
for s in puller, pusher:
    s.linger, s.ipv6 = 0, int(sys.argv[1])
port = None
try:
    port = puller.bind_to_random_port('tcp://[::1]')
    said = 'it listens'
except zmq.ZMQError as e:
    said = str(e)
    # Somebody listens there all the same.
    other = context.socket(zmq.PULL)
    other.linger, other.ipv6 = 0, 1
    port = other.bind_to_random_port('tcp://[::1]')
    puller = other
pusher.connect('tcp://[::1]:%d' % port)
pusher.send(b'x')
came = puller.poll(2000)
print('%s; connect and send: no error; the message %s' % (said, 'came' if came else 'did not come'))
PY
expect 'version' '4.3.4' "$(/usr/bin/python3 -c 'import zmq; print(zmq.zmq_version())')"
expect 'as sockets are' 'No such device; connect and send: no error; the message did not come' "$(/usr/bin/python3 try.py 0)"
expect 'with ZMQ_IPV6' 'it listens; connect and send: no error; the message came' "$(/usr/bin/python3 try.py 1)"
