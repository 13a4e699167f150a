package pool

import (
	"fmt"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

const (
	// waitGoal is how long a request may wait for a worker while more workers
	// are allowed.
	waitGoal = 50 * time.Millisecond
	// scaleEvery is how often waiting requests are looked at.
	scaleEvery = 20 * time.Millisecond
)

// scaleFacts is what the number of workers is decided from.
type scaleFacts struct {
	Min, Max    int
	Want        int           // as decided before
	Ready       int           // workers that serve
	Threads     int           // of each
	Waiting     int           // requests that no worker has begun
	OldestWait  time.Duration // of the first of them
	Service     time.Duration // what a request takes a worker, on average; 0: not known
	IdleFor     time.Duration // how long the least used worker has had nothing to do; 0: all work
	IdleTimeout time.Duration
}

// decideScale returns the number of workers wanted, and why where that is a
// change. It knows no more than its facts.
func decideScale(f scaleFacts) (want int, why string) {
	want = min(max(f.Want, f.Min), f.Max)
	if f.Waiting > 0 && want < f.Max {
		if want == 0 {
			return 1, "a request arrived"
		}
		if f.Ready < want {
			return want, "" // some are starting; see what they change
		}
		// How long would it take to serve what waits?
		capacity := f.Ready * max(f.Threads, 1)
		drain := time.Duration(f.Waiting) * f.Service / time.Duration(capacity)
		if f.OldestWait < waitGoal && drain < waitGoal {
			return want, ""
		}
		need := f.Waiting
		if f.Service > 0 {
			// As many as would serve it within the goal.
			need = int((time.Duration(f.Waiting)*f.Service+waitGoal-1)/waitGoal) - capacity
		}
		need = (min(max(need, 1), f.Waiting) + max(f.Threads, 1) - 1) / max(f.Threads, 1)
		want = min(want+max(need, 1), f.Max)
		return want, fmt.Sprintf("%d requests waiting, the first for %v", f.Waiting, f.OldestWait.Round(time.Millisecond))
	}
	if want > f.Min && f.Waiting == 0 && f.IdleTimeout > 0 && f.IdleFor >= f.IdleTimeout {
		return want - 1, fmt.Sprintf("a worker was idle for %v", f.IdleFor.Round(time.Second))
	}
	return want, ""
}

// scaler applies decideScale to a pool.
type scaler struct {
	pool    *Pool
	want    int
	timer   evloop.Timer
	service int64 // moving average of what a request takes, in nanoseconds
	reason  string
}

func (s *scaler) init(p *Pool) {
	s.pool = p
	s.want = p.min
	s.timer.Do = s.look
}

// fixed tells that there is nothing to decide.
func (s *scaler) fixed() bool { return s.pool.min == s.pool.max }

// served notes what a request took.
func (s *scaler) served(ns int64) { s.service += (ns - s.service) / 16 }

// look decides and sets the time of the next look.
func (s *scaler) look() {
	p := s.pool
	if s.fixed() || p.stopping {
		return
	}
	f := s.facts()
	want, why := decideScale(f)
	if want != s.want {
		s.reason = fmt.Sprintf("%d → %d workers: %s", s.want, want, why)
		p.log.Info("scaled " + s.reason)
		s.want = want
		p.loop.Post(p.reconcile)
	}
	switch {
	case f.Waiting > 0:
		p.loop.Set(&s.timer, scaleEvery)
	case s.want > p.min && f.IdleTimeout > 0:
		p.loop.Set(&s.timer, max(f.IdleTimeout-f.IdleFor, scaleEvery))
	}
}

// demand is told that a request waits.
func (s *scaler) demand() {
	if s.fixed() {
		return
	}
	if s.want == 0 {
		s.look()
		return
	}
	s.pool.loop.SetBy(&s.timer, s.pool.loop.Now()+int64(scaleEvery))
}

func (s *scaler) facts() scaleFacts {
	p := s.pool
	w := p.spec.Workers
	f := scaleFacts{Min: p.min, Max: p.max, Want: s.want, Threads: w.Threads, Waiting: p.queue.n + p.prefetched,
		Service: time.Duration(s.service), IdleTimeout: w.IdleTimeout.D()}
	if p.queue.n > 0 {
		f.OldestWait = time.Duration(p.loop.Now() - p.queue.peek().queuedAt)
	}
	for _, w := range p.workers {
		if !w.life.serves() {
			continue
		}
		f.Ready++
		for _, s := range w.slots {
			if s.n > 1 {
				f.OldestWait = max(f.OldestWait, time.Duration(p.loop.Now()-s.held[1].queuedAt))
			}
		}
		if w.busy() == 0 {
			f.IdleFor = max(f.IdleFor, time.Duration(p.loop.Now()-w.idleSince))
		}
	}
	return f
}

// limits takes over new bounds.
func (s *scaler) limits(lo, hi int) {
	s.want = min(max(s.want, lo), hi)
	s.pool.noteProcesses()
	if !s.fixed() {
		s.pool.loop.SetBy(&s.timer, s.pool.loop.Now())
	}
}

// watch has workers replaced that have grown past workers.max_memory, or served
// longer than workers.max_age.
func (p *Pool) watch() {
	w := p.spec.Workers
	if p.stopping {
		return
	}
	next := time.Duration(0)
	if w.MaxMemory > 0 {
		next = memoryEvery
	}
	limit := int64(w.MaxMemory)
	was, fit, youngest := p.outgrown.reason, true, int64(1<<63-1)
	for _, worker := range p.workers {
		if worker.life.now != phaseServing {
			continue
		}
		youngest = min(youngest, p.loop.Now()-worker.readyAt)
		if limit > 0 {
			if rss := appdir.ResidentSize(worker.pid); rss > limit {
				fit = false
				if worker.outgrew == 0 {
					worker.outgrew = p.loop.Now()
				}
				if !p.outgrown.replaces(p.loop.Now(), limit, rss, time.Duration(worker.outgrew-worker.readyAt), p.spec.Restart) {
					continue
				}
				p.stats.restarts[restartMemory]++
				p.recycle(worker, fmt.Sprintf("its resident size is %d MiB (workers.max_memory is %d MiB)", rss>>20, limit>>20))
				continue
			}
		}
		if w.MaxAge <= 0 {
			continue
		}
		age := time.Duration(p.loop.Now() - worker.readyAt)
		left := time.Duration(float64(w.MaxAge.D())*(1+worker.jitter)) - age
		if left <= 0 {
			p.stats.restarts[restartAge]++
			p.recycle(worker, fmt.Sprintf("it has served for %v (workers.max_age is %v)", age.Round(time.Second), w.MaxAge))
			continue
		}
		if next == 0 || left < next {
			next = left
		}
	}
	if fit && youngest < 1<<63-1 {
		p.outgrown.fits(limit, time.Duration(youngest), p.spec.Restart)
	}
	if p.outgrown.reason != was {
		if p.outgrown.reason != "" && was == "" {
			p.log.Warn(p.outgrown.reason)
		}
		p.NotifyChanged()
	}
	if next > 0 {
		p.loop.Set(&p.look, next)
	}
}

// memoryEvery is how often the workers' memory is looked at.
const memoryEvery = 2 * time.Second

// configure takes over a spec in place.
func (p *Pool) configure(spec *appspec.Spec) {
	p.spec = spec
	p.Access.Configure(spec.Log.Access, spec.Log.Format == "json")
	p.watch()
	p.health.configure()
	p.Configured(spec)
}
