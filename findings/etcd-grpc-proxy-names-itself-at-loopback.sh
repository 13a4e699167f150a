#!/usr/bin/env bash
# etcd 3.4.23 (Debian 12: etcd-server and etcd-client 3.4.23-4+b4), its own grpc-proxy
#
# Guess: the list of members that is asked for through etcd's grpc-proxy is the list of the
# members, as it is through any other proxy; or, since the proxy stands for them, it is the
# address at which the proxy listens.
# What happens: there is one member, of the machine's name and of the id 0, and its address is
# 127.0.0.1:23790, without http:// before it, wherever the proxy listens: the default of
# --advertise-client-url. The answer has no header at all, which each answer of a server has and
# programs take the id of the cluster and the revision from; status through the proxy has one.
# Reads, writes, watches and leases work all the while.
# Who is hurt: clients that learn the members from the cluster (the Sync of etcd's own client,
# "etcdctl --cluster", tools that follow a cluster as it moves): after their first look all
# of them ask their own machine, at a port where nobody listens, or somebody else's proxy does.
. "$(dirname "$(readlink -f "$0")")/lib"
etcd
server=$ETCDCTL_ENDPOINTS port=$(free_port)
root/usr/bin/etcd grpc-proxy start --endpoints "$server" --listen-addr "127.0.0.1:$port" --data-dir proxy >proxy.log 2>&1 &
trap 'kill %1 %2; wait; rm -rf "$WORK"' EXIT
export ETCDCTL_ENDPOINTS=http://127.0.0.1:$port
for _ in $(seq 100); do ctl endpoint health >/dev/null && break; sleep 0.1; done
# members: of each the name, whether it has an id, and the addresses; and whether the answer has a header.
members() { ctl member list -w json | /usr/bin/python3 -c '
import json, socket, sys
r = json.load(sys.stdin)
for m in r["members"]:
    print(m["name"].replace(socket.gethostname(), "HOST"), "ID" in m, *m["clientURLs"])
print("header", "header" in r)' | paste -sd,; }
expect 'version' '3.4.23' "$(root/usr/bin/etcd --version | sed -n 's/etcd Version: //p')"
expect 'a write through the proxy' 'OK' "$(ctl put a 1)"
expect 'members through the proxy' 'HOST False 127.0.0.1:23790,header False' "$(members)"
expect 'status knows the cluster' 'True' "$(ctl endpoint status -w json | /usr/bin/python3 -c 'import json, sys; print("cluster_id" in json.load(sys.stdin)[0]["Status"]["header"])')"
export ETCDCTL_ENDPOINTS=$server
expect 'members of the server' "default True $server,header True" "$(members)"
