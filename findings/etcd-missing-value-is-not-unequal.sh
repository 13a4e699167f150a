#!/usr/bin/env bash
# etcd 3.4.23 (Debian 12: etcd-server and etcd-client 3.4.23-4+b4)
#
# Guess: a transaction with the condition value("k") != "mine" succeeds where there is
# no key k: nothing is not "mine".
# What happens: every condition on the value of a missing key is false, = and != and
# < alike, while one on its revisions, version or lease sees a 0 there and may be
# true: mod("k") < "5" holds for the missing key.
# Who is hurt: "write unless it is mine already" and "take the lock unless somebody
# else holds it" never happen the first time, on an empty store; no error says so,
# the else branch runs. Add a condition on version = 0 of its own.
. "$(dirname "$(readlink -f "$0")")/lib"
etcd
ask() { printf '%s\n\n\n\n' "$1" | ctl txn | head -1; }
expect 'version' '3.4.23' "$(root/usr/bin/etcd --version | sed -n 's/etcd Version: //p')"
expect 'value = mine, value != mine' 'FAILURE FAILURE' "$(ask 'value("k") = "mine"') $(ask 'value("k") != "mine"')"
expect 'mod < 5, version = 0' 'SUCCESS SUCCESS' "$(ask 'mod("k") < "5"') $(ask 'ver("k") = "0"')"
