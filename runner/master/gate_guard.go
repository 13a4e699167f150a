package master

import (
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/boot"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate/guard"
)

// gateGuard is the guard of a gate's connections, and another one where it has ended.
// It belongs to the loop.
type gateGuard struct {
	g     *gateProcess
	most  int
	guard *guard.Guard // nil: none runs
	again evloop.Timer
}

// guardAgain is how long a gate is without a guard that has ended.
const guardAgain = time.Second

func (w *gateGuard) start() {
	g := w.g
	var err error
	w.guard, err = guard.Start(g.doors, appspec.GateName, filepath.Join(g.sockets, appspec.GateName), w.most, boot.Title, gate.Rescue())
	if err == nil {
		err = g.loop.Add(w.guard.FD(), unix.EPOLLIN, w)
	}
	if err != nil {
		g.log.Warn(err.Error() + "; if the gate is killed, connections whose app is not known yet are lost")
		w.later()
	}
}

// OnEvents implements evloop.Pollable: the guard has ended.
func (w *gateGuard) OnEvents(uint32) {
	w.g.loop.Remove(w.guard.FD())
	w.later()
}

func (w *gateGuard) later() {
	w.guard.Stop()
	w.guard = nil
	w.again.Do = w.start
	w.g.loop.Set(&w.again, guardAgain)
}

// stop ends the guard: the gate ends by itself, and leaves nothing.
func (w *gateGuard) stop() { w.guard.Stop() }
