#!/usr/bin/env bash
# etcd 3.4.23 (Debian 12: etcd-server and etcd-client 3.4.23-4+b4), on amd64
#
# Guess: a lease of etcd is a span, five seconds from its last renewal on, and no matter of
# dates: when somebody puts the clock of the leader right, be it by an hour, those who hold
# leases may notice nothing.
# What happens: the leader keeps the moment of a lease's end as a date. When its clock goes
# back by an hour, a lease whose holder has died since its last renewal is kept for an hour
# more: its keys are there, and etcd itself tells that it has less than no time to live.
# Who is hurt: whoever takes a key under a lease for a sign of life (locks, leaders,
# services): beside a member whose clock is put right nobody takes over from who has just
# died. A lease renewed after the step ends as it should; 3.7 compares spans.
#
# There is one clock on the wall for all processes of a machine: the one of the server is
# made wrong in the page of code by which the kernel tells the time (vdso).
. "$(dirname "$(readlink -f "$0")")/lib"
cat >late.py <<'PY'
import os, re, signal, struct, sys, time
pid, seconds = int(sys.argv[1]), int(sys.argv[2])
low, high = (int(x, 16) for x in re.search(r'(\w+)-(\w+) .*\[vdso\]', open(f'/proc/{pid}/maps').read()).groups())
memory = os.open(f'/proc/{pid}/mem', os.O_RDWR)
image = os.pread(memory, high - low, low)
table, count = struct.unpack_from('<Q', image, 40)[0], struct.unpack_from('<H', image, 60)[0]
sections = [struct.unpack_from('<IIQQQQIIQQ', image, table + 64 * i) for i in range(count)]
symbols = next(s for s in sections if s[1] == 11)
names = sections[symbols[6]][4]
for at in range(symbols[4], symbols[4] + symbols[5], 24):
    name, _, _, _, value, _ = struct.unpack_from('<IBBHQQ', image, at)
    if image[names + name:].split(b'\0')[0] == b'__vdso_clock_gettime':
        break
def inside():
    for thread in os.listdir(f'/proc/{pid}/task'):
        words = open(f'/proc/{pid}/task/{thread}/syscall').read().split()
        if len(words) < 2 or low <= int(words[-1], 16) < high:
            return True
os.kill(pid, signal.SIGSTOP)
while inside():
    os.kill(pid, signal.SIGCONT); time.sleep(.001); os.kill(pid, signal.SIGSTOP); time.sleep(.005)
# clock_gettime by the system call; to the seconds of CLOCK_REALTIME some are added.
os.pwrite(memory, bytes.fromhex('b8e40000000f0585c0750b85ff7507488106') + struct.pack('<i', seconds) + b'\xc3', low + value)
os.kill(pid, signal.SIGCONT)
PY
etcd
held() { # SECONDS: a lease of 5 s whose holder dies, and the server's clock then wrong by that
  local lease
  lease=$(ctl lease grant 5 | awk '{ print $2 }')
  ctl put "key$1" x --lease="$lease" >/dev/null
  /usr/bin/python3 late.py "$(jobs -p %1)" "$1"
  for _ in $(seq 40); do
    [ -n "$(ctl get "key$1")" ] || { echo "the lease has ended"; return; }
    sleep 0.5
  done
  ctl lease timetolive "$lease" | grep -q 'remaining(-' && echo "the key is there, with less than no time to live"
}
expect 'a lease of 5 s, the clock right' 'the lease has ended' "$(held 0)"
expect 'a lease of 5 s, the clock an hour back' 'the key is there, with less than no time to live' "$(held -3600)"
