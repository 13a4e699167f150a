#!/usr/bin/env bash
# go.etcd.io/etcd/client/v3 v3.7.3, three members of etcd 3.4.23 (Debian 12: etcd-server
# and etcd-client 3.4.23-4+b4)
#
# Guess: a client that knows three members and calls Client.KeepAlive keeps its lease when
# one of them stops answering without closing its connections, as a machine does whose
# disk or hypervisor stands still: two are enough to write, and the others are asked.
# What happens: all renewals go by one stream to one member, and nothing bounds the wait
# for an answer on it. If it is that member that stands still, no renewal goes elsewhere,
# and the lease ends after its time to live although the cluster has its majority. When
# the client notices, it is by the end of the lease.
# Who is hurt: whoever registers a service by a lease: it vanishes for all others because
# of one machine that is none of its own. Renew by KeepAliveOnce with a deadline well
# below the time to live: each call may take another member.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
)

// peer remembers to whom the stream of renewals goes.
type peer struct{ once sync.Once }

func (*peer) TagRPC(ctx context.Context, i *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, peer{}, i.FullMethodName)
}
func (p *peer) HandleRPC(ctx context.Context, s stats.RPCStats) {
	out, ok := s.(*stats.OutHeader)
	if name, _ := ctx.Value(peer{}).(string); ok && strings.HasSuffix(name, "LeaseKeepAlive") {
		p.once.Do(func() { fmt.Println(out.RemoteAddr) })
	}
}
func (*peer) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*peer) HandleConn(context.Context, stats.ConnStats)                       {}

func main() {
	client, err := clientv3.New(clientv3.Config{Endpoints: os.Args[2:], Logger: zap.NewNop(),
		DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 3 * time.Second,
		DialOptions: []grpc.DialOption{grpc.WithStatsHandler(&peer{})}})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	lease, err := client.Grant(ctx, 8)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%x\n", lease.ID)
	if os.Args[1] == "KeepAlive" {
		renewed, err := client.KeepAlive(ctx, lease.ID)
		if err != nil {
			panic(err)
		}
		for range renewed {
		}
		select {}
	}
	for {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, _ = client.KeepAliveOnce(once, lease.ID)
		cancel()
		time.Sleep(time.Second)
	}
}
GO
modules go.etcd.io/etcd/client/v3@v3.7.3
debian etcd-server=3.4.23-4+b4 etcd-client=3.4.23-4+b4
export ETCDCTL_API=3
cluster='' endpoints='' pids='' probe=''
for n in 1 2 3; do
  client[n]=http://127.0.0.1:$(free_port) peer[n]=http://127.0.0.1:$(free_port)
  cluster+=${cluster:+,}m$n=${peer[n]} endpoints+=" ${client[n]}"
done
trap 'kill -KILL $pids $probe 2>/dev/null; wait 2>/dev/null; rm -rf "$WORK"' EXIT
for n in 1 2 3; do
  root/usr/bin/etcd --name m$n --data-dir data$n --listen-client-urls "${client[n]}" --advertise-client-urls "${client[n]}" \
    --listen-peer-urls "${peer[n]}" --initial-advertise-peer-urls "${peer[n]}" --initial-cluster "$cluster" >m$n.log 2>&1 &
  pids+=" $!" pid[n]=$!
done
for _ in $(seq 100); do ctl --endpoints "$(echo $endpoints | tr ' ' ,)" endpoint health >/dev/null && break; sleep 0.2; done
# What has become of a lease that is renewed by CALL half a minute after the member that
# the first renewal went to stands still.
lease() {
  ./probe "$1" $endpoints >said &
  probe=$!
  for _ in $(seq 100); do [ "$(wc -l <said)" = 2 ] && break; sleep 0.1; done
  local id still='' other='' n
  id=$(grep -v : said)
  for n in 1 2 3; do
    case $(grep : said) in "${client[n]#http://}") still=$n ;; *) other=${client[n]} ;; esac
  done
  kill -STOP "${pid[still]}"
  for _ in $(seq 30); do
    sleep 1
    ctl --endpoints "$other" --command-timeout 5s lease timetolive "$id" >ttl || continue
    if grep -q expired ttl; then break; fi
  done
  grep -q expired ttl && echo 'has ended' || sed -n 's/.*granted with TTL(\(.*\)), remaining.*/lives/p' ttl
  kill -CONT "${pid[still]}"
  kill "$probe"
  wait "$probe" 2>/dev/null || true
}
expect 'version' '3.4.23' "$(root/usr/bin/etcd --version | sed -n 's/etcd Version: //p')"
expect 'by KeepAlive, one of three members stands still: the lease' 'has ended' "$(lease KeepAlive)"
expect 'by KeepAliveOnce with a deadline: the lease' 'lives' "$(lease KeepAliveOnce)"
