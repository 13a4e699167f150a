package fleet

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// supervisor follows each live master: it hears of every change of its state
// and, by its pidfd, of its end. At rest it costs nothing.
type supervisor struct {
	ctx     context.Context // cancelled by close
	cancel  context.CancelFunc
	wg      sync.WaitGroup // two for each master
	changed func(app string, st runner.Status)
	ended   func(app string, pid int, since time.Time)
	hangs   func(app string, pid int)
	// pulse is how often a master that says nothing is asked whether it lives,
	// patience how long it has for that answer; it is asked twice.
	pulse, patience time.Duration

	mu      sync.Mutex
	masters map[int]string      // followed ones by pid
	handles map[string][]master // likewise, by app
}

func newSupervisor() *supervisor {
	ctx, cancel := context.WithCancel(context.Background())
	return &supervisor{ctx: ctx, cancel: cancel, masters: map[int]string{}, handles: map[string][]master{}, pulse: 15 * time.Second, patience: 3 * time.Second}
}

func (s *supervisor) close() {
	s.cancel()
	s.wg.Wait()
}

// follow begins to follow a master; once is enough.
func (s *supervisor) follow(app string, m master) bool {
	rec := m.record()
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
		s.handles[app] = slices.DeleteFunc(s.handles[app], func(x master) bool { return x.record().PID == rec.PID })
		if len(s.handles[app]) == 0 {
			delete(s.handles, app)
		}
		s.mu.Unlock()
		if err == nil && s.ctx.Err() == nil {
			s.ended(app, rec.PID, rec.Since)
		}
	}()
	go func() {
		defer s.wg.Done()
		s.listen(ctx, app, m)
	}()
	return true
}

// of are the followed masters of an app.
func (s *supervisor) of(app string) []master {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.handles[app])
}

// swept tells that a followed master has lost its record or its socket, or that its
// record is damaged.
func (s *supervisor) swept() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ms := range s.handles {
		if slices.ContainsFunc(ms, damaged) {
			return true
		}
	}
	return false
}

// listen asks again and again for the next state, and now and then for any: a
// master that is stopped or stuck does not say so by itself.
func (s *supervisor) listen(ctx context.Context, app string, m master) {
	var since uint64
	silent, stopping := 0, false
	for ctx.Err() == nil {
		if silent == 0 {
			next, cancel := context.WithTimeout(ctx, s.pulse)
			st, err := m.Status(next, since)
			late := next.Err() != nil
			cancel()
			if err == nil && st.Version > since {
				since, stopping = st.Version, st.State == runner.StateStopping
				s.changed(app, st)
				continue
			}
			if !late {
				// It ends, or its socket is gone: the pidfd tells which.
				pause(ctx, s.patience/5)
			}
		}
		alive, cancel := context.WithTimeout(ctx, s.patience)
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
			pause(ctx, s.patience)
		case silent >= 2 && ctx.Err() == nil:
			s.hangs(app, m.record().PID)
			pause(ctx, s.pulse)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// restartOf finds the restart block that holds for an app.
func restartOf(rem state.AppState) appspec.Restart {
	if rem.LastGood != nil {
		return rem.LastGood.Restart
	}
	return appspec.Restart{}
}
