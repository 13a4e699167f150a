#!/usr/bin/env bash
# go.etcd.io/etcd/client/v3 v3.6.5 and v3.7.3
#
# Guess: clientv3.New with DialTimeout of a second and grpc.WithBlock returns an error
# after a second where no member answers, so a program can tell at its start that its
# store is not there.
# What happens: so it is up to 3.6. From 3.7 on New returns at once, without an error,
# whatever the options say: the option to block is taken and does nothing. The first
# request waits for as long as its own context lets it, without one for ever.
# Who is hurt: who upgrades a client that relied on New: the check at the start passes
# always, and requests that had no limit of their own, because the connection was known
# to be there, hang. Ask something with a deadline after New.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

func said(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "deadline exceeded"
	}
	return fmt.Sprint(err)
}

func main() {
	// It takes connections and says nothing.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{silent.Addr().String()}, DialTimeout: time.Second, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithBlock()}, //nolint:staticcheck // it is what is tried here
	})
	fmt.Printf("New: %s", said(err))
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	begun := time.Now()
	_, err = client.Get(ctx, "k")
	fmt.Printf("; Get: %s, after the dial timeout: %v", said(err), time.Since(begun) > 2*time.Second)
}
GO
modules go.etcd.io/etcd/client/v3@v3.6.5
expect '3.6.5' 'New: deadline exceeded' "$(./probe)"
rm go.mod go.sum
modules go.etcd.io/etcd/client/v3@v3.7.3
expect '3.7.3' 'New: <nil>; Get: deadline exceeded, after the dial timeout: true' "$(./probe)"
