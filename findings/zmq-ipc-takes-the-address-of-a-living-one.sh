#!/usr/bin/env bash
# libzmq 4.3.4 (Debian 12: libzmq5 4.3.4-6, asked by python3-zmq 24.0.1-4+b1)
#
# Guess: binding an address at which another process listens fails with "address already
# in use", for ipc as for tcp.
# What happens: by ipc:// it succeeds. The file of the other one is removed, and a new one
# is made: who connects from now on reaches the second process, who was connected stays
# with the first. Neither is told.
# Who is hurt: whoever starts a second broker, or a second mongrel2, by mistake: by tcp
# that fails at once; by ipc the handlers of before and those of after speak to different
# servers, and which ones is a matter of when each was started.
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-zmq=24.0.1-4+b1 libzmq5=4.3.4-6 libsodium23 libpgm-5.3-0 libnorm1
export LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(printf '%s:' "$WORK"/root/usr/lib/*/ "$WORK"/root/lib/*/)
cat >ask.py <<'PY'
import sys

import zmq

address = sys.argv[1]
first, second, client = zmq.Context(), zmq.Context(), zmq.Context()
a = first.socket(zmq.PULL)
a.bind(address)
before = client.socket(zmq.PUSH)
before.connect(address)
before.send(b'connected')
a.recv()
b = second.socket(zmq.PULL)
try:
    b.bind(address)
except zmq.ZMQError as error:
    print('second bind:', error)
    sys.exit()
after = client.socket(zmq.PUSH)
after.connect(address)
before.send(b'old client')
after.send(b'new client')
print('second bind: done; first gets %s, second gets %s' % (a.recv().decode(), b.recv().decode()))
PY
ask() { timeout 20 /usr/bin/python3 ask.py "$1"; }
expect 'libzmq' 4.3.4 "$(/usr/bin/python3 -c 'import zmq; print(zmq.zmq_version())')"
expect 'tcp' 'second bind: Address already in use' "$(ask "tcp://127.0.0.1:$(free_port)")"
expect 'ipc' 'second bind: done; first gets old client, second gets new client' "$(ask "ipc://$WORK/socket")"
