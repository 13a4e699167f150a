package etcd

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// TestNewsThatNeverCeaseAreTold: what an observer hears is gathered, and it hears of it
// also where the next news always comes before that is done.
func TestNewsThatNeverCeaseAreTold(t *testing.T) {
	t.Parallel()
	c := fleetAt(t, etcdtest.Start(t))
	push(t, c, textsOf("a.hcl", "0"))
	cl := raw(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	var seen atomic.Int64
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		c.Observe(ctx, func(*View) time.Time { seen.Add(1); return time.Time{} }, func(error) {})
	})
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_, _ = cl.Put(ctx, c.key("down", "other"), fmt.Sprint(i)) // one that fails tells nothing new
			pause(ctx, gather/10)
		}
	})
	await.True(t, "the observer has heard of it again and again", func() bool { return seen.Load() > 5 })
}
