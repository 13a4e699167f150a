package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// password is that of the user, as its file has it now.
func (c Config) password() (string, error) {
	text, err := os.ReadFile(c.PasswordFile)
	return strings.TrimRight(string(text), "\r\n"), err
}

// authenticate has the client of etcd get a new token where its old one has ended: by the
// password as it is now, and without the old token.
//
// The client sends that along with the question, and a server as old as Debian 12's refuses
// the question for it, each time (client 3.7.3, server 3.4.23;
// findings/etcd-new-client-renews-no-token-of-an-old-server.sh): no host that was away for
// five minutes would come back. Told that there are no users the client lets the old token
// go; then the server tells it that there are, and it asks for a new one.
func (c Config) authenticate(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	asks, is := req.(*pb.AuthenticateRequest)
	if !is {
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	if password, err := c.password(); err == nil && password != "" {
		asks.Password = password
	}
	err := invoke(ctx, method, req, reply, cc, opts...)
	if errors.Is(rpctypes.Error(err), rpctypes.ErrInvalidAuthToken) {
		return rpctypes.ErrGRPCAuthNotEnabled
	}
	return err
}

// renewed makes each connection with authority and certificate as their files have them
// then; while they are being replaced, as they had them before.
type renewed struct {
	credentials.TransportCredentials
	cfg  Config
	last *atomic.Pointer[tls.Config]
}

func newRenewed(cfg Config, now *tls.Config) *renewed {
	r := &renewed{TransportCredentials: credentials.NewTLS(now), cfg: cfg, last: &atomic.Pointer[tls.Config]{}}
	r.last.Store(now)
	return r
}

func (r *renewed) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if conf, err := r.cfg.tls(); err == nil {
		r.last.Store(conf)
	}
	return credentials.NewTLS(r.last.Load()).ClientHandshake(ctx, authority, raw)
}

func (r *renewed) Clone() credentials.TransportCredentials {
	return &renewed{TransportCredentials: r.TransportCredentials.Clone(), cfg: r.cfg, last: r.last}
}
