#!/usr/bin/env bash
# github.com/k3s-io/kine v0.17.5 (what k3s keeps its state in), on SQLite, asked by
# go.etcd.io/etcd/client/v3 v3.7.3
#
# Guess: kine serves etcd's interface over SQL. It calls itself etcd 3.6 and grants leases,
# so a lease lives for as long as it is renewed; what kine does not have it refuses at once.
# What happens: the lease is granted, and its number is the seconds that it was asked for,
# so that all leases of 3 s are one. Nothing renews it: KeepAlive of the client returns no
# error, and a channel that ends without an answer; the key is gone soon after its 3 s. Revoke
# and TimeToLive are refused. Of transactions only the one that Kubernetes sends is taken: a
# comparison of a revision, and one put.
# Who is hurt: who points another program at the etcd of k3s. Registrations by lease, as of
# hosts, services and locks, work for a first test and vanish one lease later; two
# programs that take turns by the number of their lease have the same one.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

func main() {
	ctx := context.Background()
	c, err := clientv3.New(clientv3.Config{Endpoints: os.Args[1:], Logger: zap.NewNop(), DialTimeout: 10 * time.Second})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	st, err := c.Status(ctx, os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("it calls itself", st.Version)
	one, err1 := c.Grant(ctx, 3)
	two, err2 := c.Grant(ctx, 3)
	fmt.Println("two leases of 3 s:", one.ID, err1, two.ID, err2)
	take := func(key string, then ...clientv3.Op) {
		t, err := c.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).Then(then...).Commit()
		fmt.Println("if it is new,", len(then), "put:", err == nil && t.Succeeded, err)
	}
	take("/h/two", clientv3.OpPut("/h/two", "1"), clientv3.OpPut("/h/three", "1"))
	gone := c.Watch(ctx, "/h/one")
	take("/h/one", clientv3.OpPut("/h/one", "1", clientv3.WithLease(one.ID)))
	answers, err := c.KeepAlive(ctx, one.ID)
	n := 0
	for range answers {
		n++
	}
	fmt.Println("kept alive:", err, "answers:", n)
	for r := range gone {
		for _, e := range r.Events {
			if e.Type == clientv3.EventTypeDelete {
				fmt.Println("the key is gone")
				_, err = c.Revoke(ctx, one.ID)
				fmt.Println("revoked:", err)
				return
			}
		}
	}
}
GO
modules go.etcd.io/etcd/client/v3@v3.7.3
(GOBIN=$WORK/bin go install github.com/k3s-io/kine@v0.17.5) >install.log 2>&1 || { cat install.log >&2; exit 1; }
port=$(free_port)
bin/kine --listen-address "127.0.0.1:$port" --endpoint "sqlite://$WORK/state.db" --metrics-bind-address 0 >kine.log 2>&1 &
trap 'kill %1; wait; rm -rf "$WORK"' EXIT
expect 'version' 'v0.17.5' "$(go version -m bin/kine | awk '$1 == "mod" { print $3 }')"
expect 'leases and transactions' 'it calls itself 3.6.11
two leases of 3 s: 3 <nil> 3 <nil>
if it is new, 2 put: false rpc error: code = InvalidArgument desc = etcdserver: unsupported operations in txn request
if it is new, 1 put: true <nil>
kept alive: <nil> answers: 0
the key is gone
revoked: rpc error: code = Unknown desc = lease revoke is not supported' "$(./probe "127.0.0.1:$port")"
