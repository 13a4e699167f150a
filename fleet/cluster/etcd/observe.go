package etcd

import (
	"context"
	"fmt"
	"time"
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
	keepFollowing(ctx, func() error { return c.observe(ctx, seen, lost) }, func(err error) {
		if err != nil {
			lost(err)
		}
	})
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
	events := c.watch(ctx, cl, v.Revision)
	relist := time.NewTimer(around(time.Minute))
	defer relist.Stop()
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
			case <-relist.C:
				timer.Stop()
				return nil
			case <-timer.C:
				fresh = true
			case r, ok := <-events:
				if err := c.watchEnd(r, ok); err != nil {
					timer.Stop()
					return err
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
