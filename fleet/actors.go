package fleet

import (
	"context"
	"sync"
)

// actors are goroutines that live as long as the daemon.
type actors struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newActors() *actors {
	ctx, cancel := context.WithCancel(context.Background())
	return &actors{ctx: ctx, cancel: cancel}
}

func (a *actors) add(f func(context.Context)) {
	a.wg.Go(func() {
		f(a.ctx)
	})
}

func (a *actors) stop() {
	a.cancel()
	a.wg.Wait()
}
