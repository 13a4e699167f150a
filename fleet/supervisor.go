package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
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

	mu      sync.Mutex
	masters map[int]string // followed ones by pid
}

func newSupervisor() *supervisor {
	ctx, cancel := context.WithCancel(context.Background())
	return &supervisor{ctx: ctx, cancel: cancel, masters: map[int]string{}}
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
	ctx, cancel := context.WithCancel(s.ctx)
	s.wg.Add(2)
	go func() {
		defer s.wg.Done()
		defer cancel()
		err := m.Wait(ctx)
		s.mu.Lock()
		delete(s.masters, rec.PID)
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

// listen asks again and again for the next state. A master that does not
// answer is asked less and less often.
func (s *supervisor) listen(ctx context.Context, app string, m master) {
	var since uint64
	pause := 100 * time.Millisecond
	for ctx.Err() == nil {
		st, err := m.Status(ctx, since)
		if err == nil && st.Version > since {
			since, pause = st.Version, 100*time.Millisecond
			s.changed(app, st)
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			pause = min(2*pause, 10*time.Second)
		}
	}
}

// restartOf finds the restart block that holds for an app.
func restartOf(rem Remembered) appspec.Restart {
	if rem.LastGood != nil {
		return rem.LastGood.Restart
	}
	return appspec.Restart{}
}
