#!/usr/bin/env bash
# etcd 3.4.23 (Debian 12: etcd-server and etcd-client 3.4.23-4+b4)
#
# Guess: a transaction is carried out in order, so that "delete the prefix, then put
# the new keys" replaces a set of keys in one revision.
# What happens: the whole transaction is refused, "duplicate key given in txn
# request", as soon as one put lies in the deleted range, in either order and
# in a nested transaction too. Two deletes of one key are allowed.
# Who is hurt: whoever publishes a set (specs, routes, members) under a prefix: there
# is no "replace all". Delete exactly the keys that are no longer in the set, or
# write beside it and switch one key that readers follow.
. "$(dirname "$(readlink -f "$0")")/lib"
etcd
refusal() { (ctl txn || true) | grep -om1 'duplicate key given in txn request'; }
ctl put set/old 1 >/dev/null
refused=$(printf '\ndel set/ --prefix\nput set/new 2\n\n\n' | refusal)
reversed=$(printf '\nput set/new 2\ndel set/ --prefix\n\n\n' | refusal)
left=$(ctl get --prefix --keys-only set/ | paste -sd' ')
exact=$(printf '\ndel set/old\nput set/new 2\n\n\n' | ctl txn | head -1)
expect 'version' '3.4.23' "$(root/usr/bin/etcd --version | sed -n 's/etcd Version: //p')"
expect 'delete and put' 'duplicate key given in txn request' "$refused"
expect 'put and delete' 'duplicate key given in txn request' "$reversed"
expect 'what is there after both' 'set/old ' "$left"
expect 'the old key by its name' 'SUCCESS' "$exact"
