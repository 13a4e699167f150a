package etcd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// kine answers as kine 0.17.5 does (findings/kine-grants-a-lease-and-renews-none.sh).
type kine struct {
	pb.UnimplementedKVServer
	pb.UnimplementedLeaseServer
	txn error
}

func (k *kine) Range(context.Context, *pb.RangeRequest) (*pb.RangeResponse, error) {
	return &pb.RangeResponse{Header: &pb.ResponseHeader{Revision: 1}}, nil
}

func (k *kine) Txn(context.Context, *pb.TxnRequest) (*pb.TxnResponse, error) {
	return &pb.TxnResponse{Header: &pb.ResponseHeader{Revision: 1}, Succeeded: true}, k.txn
}

func (k *kine) LeaseGrant(_ context.Context, r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	return &pb.LeaseGrantResponse{Header: &pb.ResponseHeader{}, ID: r.TTL, TTL: r.TTL}, nil
}

func (k *kine) LeaseKeepAlive(pb.Lease_LeaseKeepAliveServer) error {
	return errors.New("lease keep alive is not supported")
}

// grpcProxy answers as etcd 3.4.23's own proxy does (findings/etcd-grpc-proxy-names-itself-at-loopback.sh).
type grpcProxy struct{ pb.UnimplementedClusterServer }

func (grpcProxy) MemberList(context.Context, *pb.MemberListRequest) (*pb.MemberListResponse, error) {
	return &pb.MemberListResponse{Members: []*pb.Member{{Name: "host", ClientURLs: []string{"127.0.0.1:23790"}}}}, nil
}

// TestMembersThroughAProxy: its answer has no header, and the address in it is of no use: the
// daemon ended there.
func TestMembersThroughAProxy(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterClusterServer(server, grpcProxy{})
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	c := New(Config{Endpoints: []string{l.Addr().String()}, Prefix: "/t", Limit: 20 * time.Second})
	t.Cleanup(c.Close)
	for _, last := range []cluster.Etcd{{}, {ID: "1f", Published: []string{"10.0.0.1:2379"}, Members: []string{"10.0.0.1:2379"}}} {
		if is, err := c.learn(t.Context(), last); err != nil || is.ID != "" || len(is.Members)+len(is.Published) > 0 || c.outdated(is) != "" {
			t.Errorf("of %+v: %+v, %v", last, is, err)
		}
	}
}

// safeText is a log that is written and read at a time.
type safeText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestAServerThatHasAPartOfEtcd: a host does not join what renews no lease, again and again,
// and the operator is told what to name instead.
func TestAServerThatHasAPartOfEtcd(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &kine{txn: status.Error(codes.InvalidArgument, "etcdserver: unsupported operations in txn request")}
	server := grpc.NewServer()
	pb.RegisterKVServer(server, k)
	pb.RegisterLeaseServer(server, k)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	c := New(Config{Endpoints: []string{l.Addr().String()}, Prefix: "/t", Limit: 20 * time.Second})
	t.Cleanup(c.Close)
	const next = "kine of k3s has: name an etcd, 3.4 or newer"
	if _, _, err := c.Push(t.Context(), textsOf("a.hcl", "0"), "test"); err == nil || !strings.Contains(err.Error(), "unsupported operations in txn request; ") || !strings.HasSuffix(err.Error(), next) {
		t.Errorf("push: %v", err)
	}
	var said safeText
	m := NewMember(c, t.TempDir(), cluster.Host{ID: "h", Region: "eu1"})
	m.Log = slog.New(slog.NewTextHandler(&said, nil))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.register(ctx, func() map[string]cluster.Endpoint { return nil })
	}()
	await.True(t, "the host says that it is not in the fleet", func() bool { return strings.Contains(said.String(), "not in the fleet") })
	cancel()
	<-done
	if text := said.String(); !strings.Contains(text, "cannot stay in") || !strings.Contains(text, next) || strings.Contains(text, "joined") {
		t.Error(text)
	}
}
