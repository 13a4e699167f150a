package fleet

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// beginPatience is how long the daemon waits with its word that it is ready for apps
// that are held up, as by a disk: what looks at a folder gives up before.
const beginPatience = 30 * time.Second

// begin waits until every app was tried once and says so.
func (d *Daemon) begin(ctx context.Context) {
	select {
	case <-d.loop.Adopted():
	case <-ctx.Done():
	}
	quiet := make(chan struct{})
	go func() {
		defer close(quiet)
		d.loop.Reconciler.QuietOrStuck(ctx, cmp.Or(d.beginPatience, beginPatience))
	}()
	d.extend(ctx, quiet)
	<-quiet
	held := map[string]bool{}
	for _, n := range d.loop.Reconciler.AtWork() {
		held[n] = true
	}
	if len(held) > 0 && ctx.Err() == nil {
		d.core.Log.Warn("ready, although some apps could not be checked yet: is the disk of their folders reachable?", "apps", slices.Sorted(maps.Keys(held)))
	}
	for _, n := range d.core.Dir.Names() {
		if ctx.Err() != nil {
			return
		}
		if held[n] || d.loop.IsReady(n) { // its master has said so: no need to ask
			continue
		}
		sctx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			d.core.awaitOutcome(sctx, n, true)
		}()
		d.extend(ctx, done)
		cancel()
		<-done
	}
	reapEarlier(d.earlier)
	if ctx.Err() == nil {
		d.Hooks.ready()
		d.cache.touch("")
		d.beginCertificates()
	}
}

// extend asks for more time while something goes on.
func (d *Daemon) extend(ctx context.Context, done <-chan struct{}) {
	t := time.NewTicker(5 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-t.C:
			d.Hooks.extendTimeout(30 * time.Second)
		}
	}
}
