package reconcile

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
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
	began           time.Time // see untilBeat
	// Totals, if set, is told what a master says of itself with each sign of life.
	Totals atomic.Pointer[func(app string, pid int, t runner.Totals)]

	mu      sync.Mutex
	masters map[int]string      // followed ones by pid
	handles map[string][]Handle // likewise, by app
}

// newSupervisor follows nobody yet. Set its functions before the first Follow.
func newSupervisor() *Supervisor {
	ctx, cancel := context.WithCancel(context.Background())
	return &Supervisor{ctx: ctx, cancel: cancel, masters: map[int]string{}, handles: map[string][]Handle{}, Pulse: 15 * time.Second, Patience: 3 * time.Second, began: time.Now()}
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
		if slices.ContainsFunc(ms, damaged) {
			return true
		}
	}
	return false
}

// errSilent ends the waiting for news of a master that does not answer.
var errSilent = errors.New("it does not answer")

// listen asks again and again for the next state, and now and then for any: a
// master that is stopped or stuck does not say so by itself.
func (s *Supervisor) listen(ctx context.Context, app string, m Handle) {
	var since uint64
	silent, stopping := 0, false
	for ctx.Err() == nil {
		if silent == 0 {
			st, err := s.next(ctx, app, m, since)
			if err == nil && st.Version > since {
				since, stopping = st.Version, st.State == runner.StateStopping
				if told := s.Totals.Load(); told != nil {
					(*told)(app, m.Recorded().PID, st.Totals())
				}
				s.Changed(app, st)
				continue
			}
			if errors.Is(err, errSilent) {
				silent = 1
			} else {
				// It ends, or its socket is gone: the pidfd tells which.
				Pause(ctx, s.Patience/5)
			}
		}
		if s.alive(ctx, app, m) {
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

// next waits for a state past since, and meanwhile asks at each beat whether m lives:
// errSilent, if it does not say so. What waits for news stays as it is then: to end it
// and to begin anew would wake both processes several times more.
func (s *Supervisor) next(ctx context.Context, app string, m Handle, since uint64) (runner.Status, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var beat *time.Timer
	made := make(chan struct{})
	beat = time.AfterFunc(s.untilBeat(), func() {
		<-made
		switch {
		case ctx.Err() != nil: // there are news
		case s.alive(ctx, app, m):
			beat.Reset(s.untilBeat())
		default:
			cancel(errSilent)
		}
	})
	close(made)
	defer beat.Stop()
	st, err := m.Status(ctx, since)
	if errors.Is(context.Cause(ctx), errSilent) {
		return st, errSilent
	}
	return st, err
}

// untilBeat is a Pulse and up to a fifteenth more, so that what was last asked in the
// same moments is asked together from then on, and the daemon wakes up once for it.
func (s *Supervisor) untilBeat() time.Duration {
	grain := s.Pulse / 15
	now := time.Since(s.began)
	return (now + s.Pulse + grain).Truncate(grain) - now
}

// alive asks a master for any sign of life.
func (s *Supervisor) alive(ctx context.Context, app string, m Handle) bool {
	ctx, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	told := s.Totals.Load()
	t, err := m.Ping(ctx, told != nil)
	if t != nil && told != nil {
		(*told)(app, m.Recorded().PID, *t)
	}
	return err == nil
}

// restartOf finds the restart block that holds for an app.
func restartOf(rem state.AppState) appspec.Restart {
	if rem.LastGood != nil {
		return rem.LastGood.Restart
	}
	return appspec.Restart{}
}
