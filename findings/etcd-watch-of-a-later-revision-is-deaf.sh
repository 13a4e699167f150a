#!/usr/bin/env bash
# etcd 3.4.23 (Debian 12: etcd-server 3.4.23-4+b4), go.etcd.io/etcd/client/v3 v3.7.3
#
# Guess: a watch from a revision that the store has not reached is refused as a read at
# that revision is ("required revision is a future revision"), or tells each change
# from now on.
# What happens: it is created without an error, and every change below that revision is
# left out, without a word, until the store has caught up.
# Who is hurt: a watcher that goes on from its last revision after the store was restored
# from a backup or made anew, where revisions start lower: its connection is good, and
# for as many changes as the store was ahead before it hears nothing. Compare
# Header.Revision of the first answer with the revision asked for, and list again where
# it is lower.
. "$(dirname "$(readlink -f "$0")")/lib"
etcd
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

func main() {
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{os.Getenv("ETCDCTL_ENDPOINTS")}, Logger: zap.NewNop()})
	check(err)
	ctx := context.Background()
	put := func(value string) int64 {
		r, err := c.Put(ctx, "k", value)
		check(err)
		return r.Header.Revision
	}
	later := put("first") + 4
	_, err = c.Get(ctx, "k", clientv3.WithRev(later))
	fmt.Println("read:", err)
	w := c.Watch(ctx, "k", clientv3.WithRev(later), clientv3.WithCreatedNotify())
	r := <-w
	fmt.Println("watch:", "created", r.Created, "canceled", r.Canceled, "error", r.Err())
	for _, value := range []string{"2", "3", "4", "5", "6"} {
		put(value)
	}
	r = <-w
	fmt.Println("first change told:", string(r.Events[0].Kv.Value))
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
GO
modules go.etcd.io/etcd/client/v3@v3.7.3
expect 'version' '3.4.23' "$(root/usr/bin/etcd --version | sed -n 's/etcd Version: //p')"
expect 'of five changes' 'read: etcdserver: mvcc: required revision is a future revision
watch: created true canceled false error <nil>
first change told: 5' "$(./probe)"
