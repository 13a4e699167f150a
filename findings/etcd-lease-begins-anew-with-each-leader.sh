#!/usr/bin/env bash
# etcd 3.4.23 (Debian 12: etcd-server and etcd-client 3.4.23-4+b4), three members
#
# Guess: a lease that nobody renews ends when its time is over. All members know of it, so that a new
# leader goes on with what is left of it, as it does with everything else.
# What happens: only the leader counts. Each new one gives every lease its whole time again, whether
# its holder lives or not: of a lease of 60 s that was not renewed for 20 s 60 s are left.
# Who is hurt: who takes the end of a lease for a bound: that a machine died is known only when one
# leader has been in office for as long as the lease, and in a cluster whose leaders change more often
# than that, as on slow disks, never.
. "$(dirname "$(readlink -f "$0")")/lib"
debian etcd-server=3.4.23-4+b4 etcd-client=3.4.23-4+b4
export ETCDCTL_API=3
port=()
for _ in $(seq 6); do port+=("$(free_port)"); done
cluster=a=http://127.0.0.1:${port[1]},b=http://127.0.0.1:${port[3]},c=http://127.0.0.1:${port[5]}
ETCDCTL_ENDPOINTS=http://127.0.0.1:${port[0]},http://127.0.0.1:${port[2]},http://127.0.0.1:${port[4]}
export ETCDCTL_ENDPOINTS
i=0
for name in a b c; do
  root/usr/bin/etcd --name $name --data-dir $name --listen-client-urls "http://127.0.0.1:${port[i]}" --advertise-client-urls "http://127.0.0.1:${port[i]}" \
    --listen-peer-urls "http://127.0.0.1:${port[i + 1]}" --initial-advertise-peer-urls "http://127.0.0.1:${port[i + 1]}" --initial-cluster "$cluster" >$name.log 2>&1 &
  i=$((i + 2))
done
trap 'kill $(jobs -p); wait; rm -rf "$WORK"' EXIT
for _ in $(seq 100); do ctl endpoint health >/dev/null && break; sleep 0.1; done
# members: the endpoint of the leader, and the id of another member.
members() {
  ctl endpoint status -w json | /usr/bin/python3 -c '
import json, sys
all = json.load(sys.stdin)
leads = [m["Endpoint"] for m in all if m["Status"]["header"]["member_id"] == m["Status"]["leader"]]
others = ["%x" % m["Status"]["header"]["member_id"] for m in all if m["Status"]["header"]["member_id"] != m["Status"]["leader"]]
print(leads[0], others[0])'
}
# Whether more than 45 of 60 seconds are left.
left() { ctl lease timetolive "$lease" | sed 's/.*remaining(\([0-9]*\)s)$/\1/' | awk '{ print(($1 > 45) ? "nearly all" : ($1 > 20) ? "what is left" : "little") }'; }
expect 'version' 'etcd Version: 3.4.23' "$(root/usr/bin/etcd --version | head -1)"
lease=$(ctl lease grant 60 | cut -d' ' -f2)
sleep 20
expect 'after 20 s' 'what is left' "$(left)"
read -r leader other <<<"$(members)"
ETCDCTL_ENDPOINTS=$leader ctl move-leader "$other" >/dev/null
for _ in $(seq 100); do [ "$(members)" != "$leader $other" ] && break; sleep 0.1; done
expect 'with another leader' 'nearly all' "$(left)"
