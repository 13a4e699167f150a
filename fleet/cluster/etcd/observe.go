package etcd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// gather is how long news is gathered before an observer hears of it: a host that comes
// or goes tells of all its apps at once.
const gather = 100 * time.Millisecond

// Observe calls seen with what etcd says of the fleet, at first and whenever it may say
// something else, until ctx ends. seen returns when it wants to be called though nothing
// happens; zero: not before there is news. Where etcd cannot be asked, or holds no
// generation, lost is told why, and seen is not called: nothing follows from silence.
// lost(nil) tells that it answers again.
func (c *Client) Observe(ctx context.Context, seen func(*View) time.Time, lost func(error)) {
	wait := time.Duration(0)
	for ctx.Err() == nil {
		began := time.Now()
		err := c.observe(ctx, seen, lost)
		if ctx.Err() != nil {
			return
		}
		if err == nil || time.Since(began) > 30*time.Second {
			wait = 0
		}
		if err != nil {
			lost(err)
		}
		wait = min(max(2*wait, 200*time.Millisecond), 5*time.Second)
		pause(ctx, time.Duration(rand.Int64N(int64(wait))+1), nil)
	}
}

// observe lists, and follows that for a minute or so.
func (c *Client) observe(ctx context.Context, seen func(*View) time.Time, lost func(error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v, err := c.View(ctx)
	if err != nil {
		return err
	}
	cl, err := c.conn()
	if err != nil {
		return err
	}
	prefix := c.key("")
	events := cl.Watch(clientv3.WithRequireLeader(ctx), prefix, clientv3.WithRange(c.key("specs", "")),
		clientv3.WithRev(v.Revision+1), clientv3.WithFragment(), clientv3.WithProgressNotify())
	again := time.NewTimer(time.Minute*3/4 + time.Duration(rand.Int64N(int64(time.Minute)/2)))
	defer again.Stop()
	for {
		due := time.Hour
		if v.Generation == 0 {
			lost(fmt.Errorf("cannot follow %s: %w", c.where(), ErrNothing))
		} else {
			lost(nil)
			if at := seen(v); !at.IsZero() {
				due = max(time.Until(at), time.Millisecond)
			}
		}
		timer := time.NewTimer(due)
		for fresh, gathering := false, false; !fresh; {
			select {
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			case <-again.C:
				timer.Stop()
				return nil
			case <-timer.C:
				fresh = true
			case r, ok := <-events:
				if !ok || r.Err() != nil || r.CompactRevision != 0 {
					timer.Stop()
					if r.Err() != nil {
						return c.explain("watch", r.Err())
					}
					return c.explain("watch", context.Canceled)
				}
				// From the first news on: where they never cease, they are told all the same.
				if v.apply(prefix, r); len(r.Events) > 0 && !gathering {
					gathering = true
					timer.Reset(gather)
				}
			}
		}
		timer.Stop()
	}
}
