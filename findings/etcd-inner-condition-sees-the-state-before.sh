#!/usr/bin/env bash
# etcd 3.4.23 (Debian 12: etcd-server 3.4.23-4+b4), go.etcd.io/etcd/client/v3 v3.7.3
#
# Guess: the operations of a transaction happen one after another, so that a read and the
# condition of a transaction within it see the same.
# What happens: a read sees what an earlier operation of the same transaction wrote, and
# the condition of an inner transaction behind it does not: all conditions, the inner ones
# too, are decided before the first operation. So "put a = new, get a, if a is new" reads
# new and goes the other way.
# Who is hurt: who writes "count up, then act if the limit is reached" as one transaction:
# it acts one round late, and each half, tried alone, is right.
. "$(dirname "$(readlink -f "$0")")/lib"
etcd
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func main() {
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{os.Getenv("ETCDCTL_ENDPOINTS")}})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	isNew := []clientv3.Cmp{clientv3.Compare(clientv3.Value("a"), "=", "new")}
	r, err := c.Txn(context.Background()).Then(
		clientv3.OpPut("a", "new"),
		clientv3.OpGet("a"),
		clientv3.OpTxn(isNew, nil, nil),
	).Commit()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Printf("read: %s, condition a = new: %t\n", r.Responses[1].GetResponseRange().Kvs[0].Value, r.Responses[2].GetResponseTxn().Succeeded)
}
GO
modules go.etcd.io/etcd/client/v3@v3.7.3
expect 'version' '3.4.23' "$(root/usr/bin/etcd --version | sed -n 's/etcd Version: //p')"
ctl put a old >/dev/null
expect 'first time' 'read: new, condition a = new: false' "$(./probe)"
expect 'second time' 'read: new, condition a = new: true' "$(./probe)"
