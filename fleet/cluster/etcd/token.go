package etcd

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
)

// forgetToken has the client of etcd ask for a new token without the one that has ended. It
// sends that along with the question, and a server as old as Debian 12's refuses the
// question for it, each time (client 3.7.3, server 3.4.23;
// findings/etcd-new-client-renews-no-token-of-an-old-server.sh): no host that was away for
// five minutes would come back. Told that there are no users the client lets the old token
// go; then the server tells it that there are, and it asks for a new one.
func forgetToken(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	if method == "/etcdserverpb.Auth/Authenticate" && errors.Is(rpctypes.Error(err), rpctypes.ErrInvalidAuthToken) {
		return rpctypes.ErrGRPCAuthNotEnabled
	}
	return err
}
