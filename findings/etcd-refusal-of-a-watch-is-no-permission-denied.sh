#!/usr/bin/env bash
# etcd 3.4.23 (Debian 12: etcd-server 3.4.23-4+b4), go.etcd.io/etcd/client/v3 v3.7.3
#
# Guess: a watch that a user may not have ends with the error that a read gets:
# errors.Is(err, rpctypes.ErrPermissionDenied).
# What happens: the read's error is that one; the watch's is a text that says "code =
# PermissionDenied" and holds no code: errors.Is says no, also after rpctypes.Error, and
# status.Code is Unknown.
# Who is hurt: a program that tells "ask your administrator for rights" from "try again"
# by the error: for watches it tries again for ever. Only the text can be compared.
. "$(dirname "$(readlink -f "$0")")/lib"
etcd
cat >main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/status"
)

func main() {
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{os.Getenv("ETCDCTL_ENDPOINTS")}, Username: "reader", Password: "secret", Logger: zap.NewNop()})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	tell := func(what string, err error) {
		fmt.Println(what+":", errors.Is(err, rpctypes.ErrPermissionDenied), errors.Is(rpctypes.Error(err), rpctypes.ErrPermissionDenied), "-", err)
	}
	_, err = c.Get(context.Background(), "/others/k")
	tell("read", err)
	r := <-c.Watch(context.Background(), "/others/k")
	tell("watch", r.Err())
	fmt.Println("its code:", status.Code(r.Err()))
}
GO
modules go.etcd.io/etcd/client/v3@v3.7.3
expect 'version' '3.4.23' "$(root/usr/bin/etcd --version | sed -n 's/etcd Version: //p')"
{
  ctl user add root:secret
  ctl user grant-role root root
  ctl role add mine
  ctl role grant-permission mine --prefix=true readwrite /mine/
  ctl user add reader:secret
  ctl user grant-role reader mine
  ctl auth enable
} >auth.log
expect 'refusals' 'read: true true - etcdserver: permission denied
watch: false false - rpc error: code = PermissionDenied desc = etcdserver: permission denied
its code: Unknown' "$(./probe)"
