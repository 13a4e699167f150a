package reconcile

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Supervisor follows each live master: it hears of every change of its state
// and, by its pidfd, of its end. At rest it costs nothing.
type Supervisor struct {
	ctx     context.Context // cancelled by close
	cancel  context.CancelFunc
	wg      sync.WaitGroup // two for each master
	Changed func(app string, st runner.Status)
	Ended   func(app string, pid int, since time.Time)
	Hangs   func(app string, pid int)
	// Pulse is how often a master that says nothing is asked whether it lives,
	// Patience how long it has for that answer; it is asked twice.
	Pulse, Patience time.Duration

	mu      sync.Mutex
	masters map[int]string      // followed ones by pid
	handles map[string][]Handle // likewise, by app
}

// NewSupervisor follows nobody yet. Set its functions before the first Follow.
func NewSupervisor() *Supervisor {
	ctx, cancel := context.WithCancel(context.Background())
	return &Supervisor{ctx: ctx, cancel: cancel, masters: map[int]string{}, handles: map[string][]Handle{}, Pulse: 15 * time.Second, Patience: 3 * time.Second}
}

// Close ends the following; the masters run on.
func (s *Supervisor) Close() {
	s.cancel()
	s.wg.Wait()
}

// Follow begins to follow a master; once is enough.
func (s *Supervisor) Follow(app string, m Handle) bool {
	rec := m.Recorded()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.masters[rec.PID] != "" || s.ctx.Err() != nil {
		return false
	}
	s.masters[rec.PID] = app
	s.handles[app] = append(s.handles[app], m)
	ctx, cancel := context.WithCancel(s.ctx)
	s.wg.Add(2)
	go func() {
		defer s.wg.Done()
		defer cancel()
		err := m.Wait(ctx)
		s.mu.Lock()
		delete(s.masters, rec.PID)
		s.handles[app] = slices.DeleteFunc(s.handles[app], func(x Handle) bool { return x.Recorded().PID == rec.PID })
		if len(s.handles[app]) == 0 {
			delete(s.handles, app)
		}
		s.mu.Unlock()
		if err == nil && s.ctx.Err() == nil {
			s.Ended(app, rec.PID, rec.Since)
		}
	}()
	go func() {
		defer s.wg.Done()
		s.listen(ctx, app, m)
	}()
	return true
}

// Of are the followed masters of an app.
func (s *Supervisor) Of(app string) []Handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.handles[app])
}

// Swept tells that a followed master has lost its record or its socket, or that its
// record is damaged.
func (s *Supervisor) Swept() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ms := range s.handles {
		if slices.ContainsFunc(ms, Damaged) {
			return true
		}
	}
	return false
}

// listen asks again and again for the next state, and now and then for any: a
// master that is stopped or stuck does not say so by itself.
func (s *Supervisor) listen(ctx context.Context, app string, m Handle) {
	var since uint64
	silent, stopping := 0, false
	for ctx.Err() == nil {
		if silent == 0 {
			next, cancel := context.WithTimeout(ctx, s.Pulse)
			st, err := m.Status(next, since)
			late := next.Err() != nil
			cancel()
			if err == nil && st.Version > since {
				since, stopping = st.Version, st.State == runner.StateStopping
				s.Changed(app, st)
				continue
			}
			if !late {
				// It ends, or its socket is gone: the pidfd tells which.
				Pause(ctx, s.Patience/5)
			}
		}
		alive, cancel := context.WithTimeout(ctx, s.Patience)
		_, err := m.Status(alive, 0)
		cancel()
		if err == nil {
			silent = 0
			continue
		}
		silent++
		switch {
		case stopping && silent < 20:
			// It closes its socket a moment before it ends.
			Pause(ctx, s.Patience)
		case silent >= 2 && ctx.Err() == nil:
			s.Hangs(app, m.Recorded().PID)
			Pause(ctx, s.Pulse)
		}
	}
}

// RestartOf finds the restart block that holds for an app.
func RestartOf(rem state.AppState) appspec.Restart {
	if rem.LastGood != nil {
		return rem.LastGood.Restart
	}
	return appspec.Restart{}
}
