package master

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// rest notices that a master has nothing left to do: no worker, no client, for
// workers.idle_timeout. A handler of mongrel2 must stay connected, so an app with
// one does not rest; nor does one with programs that run beside its workers.
type rest struct {
	m     *master
	timer evloop.Timer
	total uint64 // requests when the timer was set
	is    bool
}

func (r *rest) init(m *master) {
	r.m = m
	r.timer.Do = r.look
}

// changed is told of each change of state.
func (r *rest) changed() {
	switch {
	case !r.possible():
		r.is = false
		r.m.loop.Clear(&r.timer)
	case !r.is && !r.timer.IsSet():
		r.wait()
	}
}

// possible: there is no worker, and none is wanted.
func (r *rest) possible() bool {
	m := r.m
	if m.draining || !m.accepting || len(m.spec.Sockets.Mongrel2) > 0 || m.spec.Beside() || m.spec.Workers.IdleTimeout <= 0 {
		return false
	}
	s, _ := m.pool.State()
	return s == control.StateIdle
}

func (r *rest) wait() {
	r.total = r.m.pool.Total()
	r.m.loop.Set(&r.timer, max(r.m.spec.Workers.IdleTimeout.D(), 10*time.Millisecond))
}

// look is called when the time is over.
func (r *rest) look() {
	if !r.possible() {
		return
	}
	if !r.quiet() {
		r.wait()
		return
	}
	r.is = true
	r.m.pool.NotifyChanged()
}

// quiet: nobody is connected, and nobody has asked since the timer was set.
func (r *rest) quiet() bool {
	return r.m.http.Connections() == 0 && (r.m.tls == nil || r.m.tls.server.Connections() == 0) && r.m.pool.Total() == r.total
}

// now tells whether the master rests at this moment.
func (r *rest) now() bool { return r.is && r.possible() && r.quiet() }
