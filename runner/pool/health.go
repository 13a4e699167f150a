package pool

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/version"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// checker asks each worker in turn for health.path. A worker serves its first
// request only after its first good answer; one that fails health.failures
// times in a row is replaced.
type checker struct {
	pool  *Pool
	timer evloop.Timer
	last  *control.HealthStatus
}

func (c *checker) init(p *Pool) {
	c.pool = p
	c.timer.Do = c.round
}

func (c *checker) on() bool { return c.pool.spec.Health != nil }

// configure begins, or ends, the rounds.
func (c *checker) configure() {
	if !c.on() {
		c.pool.loop.Clear(&c.timer)
		c.last = nil
		for _, w := range c.pool.workers {
			if c.pool.specOf(w).Health == nil {
				c.excuse(w)
			}
		}
		return
	}
	c.pool.loop.Set(&c.timer, c.pool.spec.Health.Interval.D())
}

// round asks every worker that has nothing to do. One that works is watched by
// request_timeout already.
func (c *checker) round() {
	if !c.on() || c.pool.stopping {
		return
	}
	for _, w := range c.pool.workers {
		if w.life.serves() && w.probe == nil && w.busy() == 0 {
			c.ask(w)
		}
	}
	c.pool.loop.Set(&c.timer, c.pool.spec.Health.Interval.D())
}

// excuse: the check was taken out of the spec while it was at work. What it
// has not proved yet need not be proved; a worker that is still at its answer is
// held to request_timeout, as with any request.
func (c *checker) excuse(w *worker) {
	p := c.pool
	if !w.life.active() {
		return
	}
	w.unhealthy = 0
	if h := w.probe; h != nil {
		h.over = true
		w.probe = nil
		p.loop.Clear(&h.timer)
		p.Abandon(h.x)
		if limit := p.spec.Workers.RequestTimeout.D(); h.x.slot != nil && limit > 0 {
			h.x.deadline = p.loop.Now() + int64(limit)
			p.loop.SetBy(&p.sweep, h.x.deadline)
		}
	}
	if w.life.now != phaseChecking {
		return
	}
	p.loop.Post(func() { p.nowReady(w) })
}

// firstHost is the first name of an app by which a client can ask for it; empty: it
// has none.
func firstHost(s *appspec.Spec) string {
	for _, h := range s.Hosts {
		if !strings.HasPrefix(h, "*") {
			return h
		}
	}
	return ""
}

// ask sends a worker the check.
func (c *checker) ask(w *worker) {
	p := c.pool
	h := p.specOf(w).Health
	if h == nil || !w.life.active() {
		return // the check, or the worker, is no more; see excuse
	}
	host := h.Host
	if host == "" {
		host = firstHost(p.specOf(w))
	}
	if host == "" {
		host = w.loaded.Host
	}
	if !wsgi.ValidHost([]byte(host)) {
		host = "localhost"
	}
	r := wsgi.Request{Method: []byte("GET"), Path: []byte(h.Path), Proto: "HTTP/1.1", Host: []byte(host),
		Headers: []wsgi.Header{{Name: []byte("Host"), Value: []byte(host)}, {Name: []byte("User-Agent"), Value: []byte("wsgid-fleet/" + version.Program)}}}
	path, query, found := cutQuery(h.Path)
	if found {
		r.Path, r.Query = []byte(path), []byte(query)
	}
	peer := wsgi.Peer{RemoteAddr: "127.0.0.1", ServerName: "localhost", Software: "wsgid/" + version.Program, Multiprocess: &p.Multiprocess, Mount: new(atomic.Pointer[string])}
	mount := p.specOf(w).Mount()
	peer.Mount.Store(&mount)
	x := p.NewExchange()
	x.health = true
	x.Msg = wsgi.AppendRequest(x.Msg, 0, 0, &r, &peer)
	x.Label = append(x.Label, "health check "+h.Path...)
	probe := &healthProbe{c: c, w: w, x: x, host: host, begun: p.loop.Now(), failures: h.Failures}
	x.Sink = probe
	p.number(x)
	s := w.slots[0]
	p.notIdle(s)
	if !s.send(x, p.loop.Now()) {
		p.workerBroke(w, takesNone)
		return
	}
	w.probe = probe
	probe.timer.Do = func() { probe.overdue(h.Timeout.D(), h.Interval.D()) }
	p.loop.Set(&probe.timer, h.Timeout.D())
}

func cutQuery(s string) (path, query string, found bool) {
	for i := range len(s) {
		if s[i] == '?' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// healthProbe is one check; it is the sink of its request.
type healthProbe struct {
	c        *checker
	w        *worker
	x        *Exchange
	host     string // whom it asked
	begun    int64
	failures int
	timer    evloop.Timer
	status   int
	over     bool
}

// Head implements wsgi.Sink.
func (h *healthProbe) Head(head *wsgi.ResponseHead, _ []byte, last bool) {
	h.status = head.Status
	// The status decides; the body may go on for ever.
	ok := h.status >= 200 && h.status < 400
	answer := fmt.Sprintf("%d in %v", h.status, time.Duration(h.c.pool.loop.Now()-h.begun).Round(100*time.Microsecond))
	if h.status == 400 || h.status == 421 {
		answer += fmt.Sprintf(" with Host %s; set health.host for another one", h.host)
	}
	h.done(ok, answer)
	if !last && h.x.slot != nil {
		h.c.pool.Abandon(h.x)
	}
}

// Data implements wsgi.Sink.
func (h *healthProbe) Data([]byte, bool) {}

// File implements wsgi.Sink.
func (h *healthProbe) File(f *os.File, _, _ int64, _ bool) { _ = f.Close() }

// Fail implements wsgi.Sink.
func (h *healthProbe) Fail(status int, reason string) {
	h.done(false, fmt.Sprintf("%d: %s", status, reason))
}

// overdue: no answer in time. The check stays under way, and each interval without
// an answer counts as another failure.
func (h *healthProbe) overdue(timeout, interval time.Duration) {
	if h.over {
		return
	}
	h.note(false, fmt.Sprintf("no answer within %v", timeout))
	if h.w.unhealthy >= h.failures {
		h.kill()
		return
	}
	h.c.pool.loop.Set(&h.timer, interval)
}

// done notes the answer and acts on it.
func (h *healthProbe) done(ok bool, answer string) {
	if h.over {
		return
	}
	h.over = true
	p, w := h.c.pool, h.w
	p.loop.Clear(&h.timer)
	w.probe = nil
	h.note(ok, answer)
	switch {
	case ok && w.life.now == phaseChecking:
		p.loop.Post(func() { p.nowReady(w) })
	case ok:
	case !w.life.active():
		// It leaves already, and its timer is that of its end.
	case w.unhealthy < h.failures && w.life.now == phaseChecking:
		// It does not serve yet, and the application may need a moment.
		w.timer.Do = func() { h.c.ask(w) }
		p.loop.Set(&w.timer, min(time.Second, p.healthInterval()))
	case w.unhealthy < h.failures:
	case w.life.now == phaseChecking:
		h.kill()
	default:
		p.stats.restarts[restartHealth]++
		p.recycle(w, h.reason())
	}
}

// note counts an answer and tells of a bad one.
func (h *healthProbe) note(ok bool, answer string) {
	w := h.w
	h.c.last = &control.HealthStatus{At: time.Now().Round(time.Millisecond), PID: w.pid, OK: ok, Answer: answer}
	if ok {
		w.unhealthy = 0
		return
	}
	w.unhealthy++
	h.c.pool.log.Warn(fmt.Sprintf("worker %d: health check failed (%d of %d): %s", w.pid, w.unhealthy, h.failures, answer))
}

func (h *healthProbe) reason() string {
	return fmt.Sprintf("its health check failed %d times: %s", h.w.unhealthy, h.c.last.Answer)
}

// kill ends a worker that hangs, or never was well: it has nothing to finish.
func (h *healthProbe) kill() {
	h.over = true
	p, w := h.c.pool, h.w
	why := h.reason()
	p.stats.restarts[restartHealth]++
	w.failure = &wsgi.Failure{Reason: why}
	p.dumpAndKill(w, why)
	// It may answer this very moment, and must not go on with another request.
	for _, s := range w.slots {
		for _, x := range p.reclaim(s) {
			p.requeue(x)
		}
	}
}

func (p *Pool) healthInterval() time.Duration {
	if p.spec.Health == nil {
		return time.Second
	}
	return p.spec.Health.Interval.D()
}
