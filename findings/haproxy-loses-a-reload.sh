#!/usr/bin/env bash
# haproxy 2.6.12 (Debian 12: 2.6.12-1+deb12u3), master and worker (-W), on amd64
#
# Guess: the signal by which haproxy reads its files again (USR2; what systemctl reload
# sends) is kept like any other: one that arrives while haproxy reads makes it read once
# more when it is done, so what was written before the signal is served in the end.
# What happens: a signal that arrives while the master executes itself and reads is
# forgotten. Nothing is logged, and what was written last is served after the next
# signal, if ever one comes.
# Who is hurt: whoever writes the file when something changes and sends the signal: two
# changes within the time that a reload takes, and the second one is not served.
# haproxy -sf is another way: it ends when the files are read.
. "$(dirname "$(readlink -f "$0")")/lib"
debian haproxy=2.6.12-1+deb12u3 liblua5.3-0 libopentracing-c-wrapper0 libopentracing1
haproxy=$WORK/root/usr/sbin/haproxy
port=$(free_port)
LD_LIBRARY_PATH=$(dirname "$(find root -name 'liblua5.3.so.0')")
export LD_LIBRARY_PATH
config() { # ANSWER: many backends, so that they take a while to read
  {
    printf 'defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n'
    printf 'frontend f\n bind 127.0.0.1:%s\n http-request return status 200 content-type text/plain string %s\n' "$port" "$1"
    for n in $(seq 5000); do printf 'backend b%s\n server s 127.0.0.1:1\n' "$n"; done
  } >new.cfg
  mv new.cfg haproxy.cfg
}
answers() { # ANSWER: whether it is that within five seconds
  for _ in $(seq 50); do
    [ "$(curl -s "127.0.0.1:$port")" = "$1" ] && { echo "$1"; return; }
    sleep 0.1
  done
  curl -s "127.0.0.1:$port"
}
reloads() { grep -c Reloading log || true; }
config first
"$haproxy" -W -f haproxy.cfg -p pid 2>log &
trap 'kill %1; wait; rm -rf "$WORK"' EXIT
expect 'at the start it answers' first "$(answers first)"
settled() { # the master has not used a moment of a processor for half a second
  local was= now
  until now=$(cut -d' ' -f14,15 "/proc/$(cat pid)/stat"); [ "$was" = "$now" ]; do was=$now; sleep 0.5; done
}
settled
config second
kill -USR2 "$(cat pid)"
for _ in $(seq 100); do [ "$(reloads)" = 1 ] && break; sleep 0.02; done
sleep 0.1
config third
kill -USR2 "$(cat pid)"
settled
got=$(answers third)
expect 'after two changes and two signals, reloads' 1 "$(reloads)"
expect 'after the second signal it answers what was written last' no "$([ "$got" = third ] && echo yes || echo no)"
config fourth
kill -USR2 "$(cat pid)"
expect 'a signal when it is done' fourth "$(answers fourth)"
