package etcd

import (
	"context"
	"math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// watch follows what a View holds, from behind a revision on.
func (c *Client) watch(ctx context.Context, cl *clientv3.Client, rev int64) clientv3.WatchChan {
	return cl.Watch(clientv3.WithRequireLeader(ctx), c.key(""), clientv3.WithRange(c.key("specs", "")),
		clientv3.WithRev(rev+1), clientv3.WithFragment(), clientv3.WithProgressNotify())
}

// watchEnd is why a watch tells nothing any more; nil: it goes on.
func (c *Client) watchEnd(r clientv3.WatchResponse, ok bool) error {
	switch {
	case ok && r.Err() == nil && r.CompactRevision == 0:
		return nil
	case r.Err() != nil:
		return c.explain("watch", r.Err())
	}
	return c.explain("watch", context.Canceled)
}

// keepFollowing has f follow etcd until ctx ends, and tells how each time ended. It waits longer
// where f ends soon, and never as long as other hosts do.
func keepFollowing(ctx context.Context, f func() error, ended func(error)) {
	wait := time.Duration(0)
	for ctx.Err() == nil {
		began := time.Now()
		err := f()
		if ctx.Err() != nil {
			return
		}
		if err == nil || time.Since(began) > 30*time.Second {
			wait = 0
		}
		ended(err)
		wait = min(max(2*wait, 200*time.Millisecond), 5*time.Second)
		pause(ctx, time.Duration(rand.Int64N(int64(wait))+1))
	}
}

// around is d or so, another one on each host and each time.
func around(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(rand.Int64N(int64(d)/2+1))
}

// pause waits.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
