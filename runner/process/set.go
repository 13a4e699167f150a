package process

import (
	"fmt"
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
)

// lockPause is how long the master waits before it asks again whether the one before
// has stopped its processes.
const lockPause = 50 * time.Millisecond

// Set is the processes of an app.
type Set struct {
	Loop    *evloop.Loop
	Log     *applog.Log
	Pool    *pool.Pool                        // has the other children of the master
	Spawner *pool.Spawner                     // starts them
	View    func(*appspec.Spec) *appspec.Spec // the spec as they see it
	Lock    *Lock
	Changed func() // their state has changed
	Emptied func() // stopping, and the last one has ended

	spec     *appspec.Spec // that was followed last; nil: none was
	gen      int
	up       bool
	all      []*instance // that have not ended, in order
	stopping bool
	again    evloop.Timer // the next try to get the lock, or to start what could not be
	waits    string       // what for; empty: for nothing
}

// Follow has run what the spec says. gen numbers the code: another one restarts them.
// Only where the app is up is something started, so that code that does not work
// replaces nothing; what the spec says no more is stopped in any case.
func (s *Set) Follow(spec *appspec.Spec, gen int, up bool) {
	if s.stopping || spec == s.spec && gen == s.gen && up == s.up {
		return
	}
	s.spec, s.gen, s.up = spec, gen, up
	s.again.Do = s.reconcile
	for _, p := range slices.Clone(s.all) {
		i := slices.IndexFunc(spec.Processes, func(b appspec.Process) bool { return b.Name == p.block.Name })
		switch {
		case i < 0 || p.number > spec.Processes[i].Count:
			p.retire("it is no longer in the spec")
		case p.gen != gen && up:
			p.retire("the code changed")
		case p.gen == gen && !slices.Equal(p.block.Command, spec.Processes[i].Command):
			p.retire("its command changed")
		case p.gen == gen && !p.retired:
			p.block = spec.Processes[i]
		}
	}
	s.reconcile()
}

// reconcile starts what is wanted and not there.
func (s *Set) reconcile() {
	if s.stopping || s.spec == nil || !s.up {
		return
	}
	wanted := false
	for i := range s.spec.Processes {
		block := &s.spec.Processes[i]
		for n := 1; n <= block.Count; n++ {
			wanted = true
			if s.find(block.Name, n) != nil || !s.locked() {
				continue
			}
			p := &instance{set: s, block: *block, number: n, gen: s.gen, pidfd: -1}
			s.all = append(s.all, p)
			p.start()
		}
	}
	if !wanted && len(s.all) == 0 {
		s.Lock.release()
		s.waits = ""
	}
}

// locked gets the lock; where it cannot, it tries again soon.
func (s *Set) locked() bool {
	if s.waits != "" && s.again.IsSet() {
		return false
	}
	ok, err := s.Lock.take()
	switch {
	case ok:
		s.waits = ""
		return true
	case err != nil:
		if s.waits != err.Error() {
			s.Log.Error(err.Error() + "; the processes of the app wait until it does")
		}
		s.waits = err.Error()
		s.Loop.Set(&s.again, time.Second)
	default:
		s.waits = "waiting for the previous master to stop its processes"
		s.Loop.Set(&s.again, lockPause)
	}
	return false
}

func (s *Set) find(name string, number int) *instance {
	for _, p := range s.all {
		if p.block.Name == name && p.number == number {
			return p
		}
	}
	return nil
}

// gone takes out a process of which nothing is left.
func (s *Set) gone(p *instance) {
	s.all = slices.DeleteFunc(s.all, func(q *instance) bool { return q == p })
	if s.stopping {
		s.ended()
	} else {
		s.reconcile()
	}
	s.Changed()
}

// Stop stops all of them; Emptied tells when that is done, which may be before Stop
// returns. It may be called again.
func (s *Set) Stop() {
	s.stopping = true
	s.Loop.Clear(&s.again)
	for _, p := range slices.Clone(s.all) {
		p.retire("the app is stopped")
	}
	s.ended()
}

func (s *Set) ended() {
	if len(s.all) > 0 {
		return
	}
	s.Lock.release()
	if emptied := s.Emptied; emptied != nil {
		s.Emptied = nil
		emptied()
	}
}

// Retry ends the waits of those that could not be started.
func (s *Set) Retry() {
	for _, p := range s.all {
		if p.state == control.ProcessBackoff {
			p.back.Reset()
			p.start()
		}
	}
}

// Fault says what is wrong; empty: nothing.
func (s *Set) Fault() string {
	for _, p := range s.all {
		if p.state == control.ProcessBackoff && !p.retired {
			wait := time.Duration(p.timer.At() - s.Loop.Now()).Round(time.Second)
			return fmt.Sprintf("%s: %s; next try in %v; its log: wsgid-fleet logs %s", p.title(), p.lastErr, wait, s.spec.Name)
		}
	}
	if s.waits != "" && s.Lock.fd < 0 && !s.again.IsSet() {
		return s.waits
	}
	return ""
}

// Status tells of all that the spec names, and of what is still being stopped.
func (s *Set) Status() []control.ProcessInfo {
	var out []control.ProcessInfo
	seen := map[*instance]bool{}
	if s.spec != nil {
		for i := range s.spec.Processes {
			block := &s.spec.Processes[i]
			for n := 1; n <= block.Count; n++ {
				if p := s.find(block.Name, n); p != nil {
					seen[p] = true
					out = append(out, p.info())
					continue
				}
				out = append(out, control.ProcessInfo{Name: block.Name, Number: n, Count: block.Count, State: control.ProcessWaiting, LastError: s.waits})
			}
		}
	}
	for _, p := range s.all {
		if !seen[p] {
			out = append(out, p.info())
		}
	}
	return out
}
