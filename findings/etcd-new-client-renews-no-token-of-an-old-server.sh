#!/usr/bin/env bash
# go.etcd.io/etcd/client/v3 3.7.3, and 3.5.21 beside it; etcd 3.4.23 (Debian 12: etcd-server
# and etcd-client 3.4.23-4+b4)
#
# Guess: a client that was given a user and a password gets a new token when its old one
# has ended, as the older client does; what a minor release of the client does for a server
# stays there.
# What happens: a server of 3.4.23 refuses the question for a new token where an ended one
# comes along with it. Until 3.5 the client left that away; 3.7.3 sends it again, so that
# every question from then on ends with its deadline, "context deadline exceeded", and one
# without a deadline does not end. Servers of today take the question.
# Who is hurt: a token ends when nobody has used it for five minutes, and a signed one
# (jwt) five minutes after it was made, however it is used: a service that was parted from
# its etcd for so long does not come back until it is started anew, and says nothing but
# that etcd does not answer.
. "$(dirname "$(readlink -f "$0")")/lib"
ETCD_AUTH_TOKEN_TTL=1
export ETCD_AUTH_TOKEN_TTL
etcd
unset ETCD_AUTH_TOKEN_TTL
ctl user add root:secret >/dev/null
ctl user grant-role root root >/dev/null
ctl auth enable >/dev/null
probe() {
  rm -f go.mod go.sum probe
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
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{os.Args[1]}, Username: "root", Password: "secret", DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		panic(err)
	}
	for range 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err = c.Get(ctx, "a")
		cancel()
		fmt.Println(err)
		time.Sleep(4 * time.Second)
	}
}
GO
  modules "go.etcd.io/etcd/client/v3@$1" go.uber.org/zap@v1.27.1
  ./probe "$ETCDCTL_ENDPOINTS"
}
expect 'version' 'etcd Version: 3.4.23' "$(root/usr/bin/etcd --version | head -1)"
expect 'client 3.5.21' '<nil>
<nil>' "$(probe v3.5.21)"
expect 'client 3.7.3' '<nil>
context deadline exceeded' "$(probe v3.7.3)"
