package fleet

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// beginPatience is how long the daemon waits with its word that it is ready for apps
// that are held up, as by a disk: what looks at a folder gives up before.
const beginPatience = 30 * time.Second

// begin waits until every app was tried once and says so.
func (d *Daemon) begin(ctx context.Context) {
	select {
	case <-d.adopted:
	case <-ctx.Done():
	}
	quiet := make(chan struct{})
	go func() {
		defer close(quiet)
		d.rec.QuietOrStuck(ctx, cmp.Or(d.beginPatience, beginPatience))
	}()
	d.extend(ctx, quiet)
	<-quiet
	held := map[string]bool{}
	for _, n := range d.rec.AtWork() {
		held[n] = true
	}
	if len(held) > 0 && ctx.Err() == nil {
		d.e.log.Warn("ready, although some apps could not be checked yet: is the disk of their folders reachable?", "apps", slices.Sorted(maps.Keys(held)))
	}
	for _, n := range d.e.names() {
		if ctx.Err() != nil {
			return
		}
		if held[n] || d.isReady(n) { // its master has said so: no need to ask
			continue
		}
		sctx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			d.e.settle(sctx, n, true)
		}()
		d.extend(ctx, done)
		cancel()
		<-done
	}
	if ctx.Err() == nil {
		d.Hooks.ready()
		d.board.touch("")
		d.beginCertificates()
	}
}

// isReady tells whether the app's master has told that it is ready, and nothing
// else.
func (d *Daemon) isReady(app string) bool {
	d.stateMu.Lock()
	defer d.stateMu.Unlock()
	return d.states[app] == stateText(runner.Status{State: runner.StateReady})
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
