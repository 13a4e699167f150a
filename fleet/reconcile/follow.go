package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// stateText is what is told of a master's state when it changes.
func stateText(st runner.Status) string {
	return string(st.State) + " " + st.Reason + " " + st.LogError
}

// after follows the masters that a pass has left.
func (l *Loop) after(name string, out Outcome) {
	if errors.Is(out.Err, ErrClosing) || errors.Is(out.Err, ErrPaused) {
		return
	}
	defer l.Touched(name)
	if out.Reread {
		go l.Post(l.looping, func() { l.Reread() })
	} else if w := out.Want; w.Spec != nil && w.Spec.Enabled && (w.Asked != nil || w.Held != "" || w.Waiting != "") {
		// It may not be where the directory says: that is known from now on.
		go l.Post(l.looping, func() {
			if !l.watched[w.Spec.Path] {
				l.Reread()
			}
		})
	}
	ms, err := l.Core.Machine.Find(l.Core.Store.Dir, name)
	if err != nil {
		return
	}
	for i, m := range ms {
		l.followed(name, m, i == 0)
	}
	l.missed(name, out, ms)
}

// missed makes good the end of a master that the pass has left, and that is not among those
// which live now: it came before anybody followed the master, so that nobody is told of it.
func (l *Loop) missed(name string, out Outcome, living []Handle) {
	l.ours.Range(func(pid, m any) bool {
		h, is := m.(Handle)
		if !is || h.Recorded().App != name || h.Alive() {
			return true
		}
		l.ours.Delete(pid)
		if out.Err == nil { // else whoever started it has said so
			l.masterEnded(name, h.Recorded().PID, h.Recorded().Since)
		}
		return true
	})
	serves := func(m Handle) bool { return !m.Recorded().Draining }
	if out.Err != nil || out.Plan.CurrentPID == 0 || out.Want.Spec == nil || !out.Want.Spec.Enabled || slices.ContainsFunc(living, serves) || l.Core.Activator.Listens(name) != nil {
		return
	}
	l.Reconciler.Enqueue(name, Intent{}, false)
}

// followed follows a master and, of one that was found, takes duplicates of
// its listeners if no other stands for the app.
func (l *Loop) followed(name string, m Handle, newest bool) {
	pid := m.Recorded().PID
	if !l.Supervisor.Follow(name, m) || m.Recorded().Draining {
		return
	}
	if _, ours := l.ours.LoadAndDelete(pid); ours {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), AnswerTimeout)
	defer cancel()
	rem := l.Core.Store.Load(name)
	if rem.LastGood != nil {
		l.Scope(rem.LastGood, pid)
		if err := HandStderr(ctx, rem.LastGood, m); err != nil {
			l.Core.Log.Warn("cannot take over the log of a master", "app", name, "err", err)
		}
	}
	l.Core.Log.Info("took over a running master", "app", name, "pid", pid)
	if newest {
		l.Core.Applier(name, func(f func()) { f() }).Hold(ctx, name, m)
	}
}

// started is told of each master that a pass has started.
func (l *Loop) started(spec *appspec.Spec, m Handle) {
	pid := m.Recorded().PID
	l.ours.Store(pid, m)
	l.Scope(spec, pid)
	l.Started(spec)
}

// following are the masters of an app that are followed, and those that will be at the
// end of the pass that has started them: what the state directory says of them may be
// swept away before.
func (l *Loop) following(app string) []Handle {
	ms := l.Supervisor.Of(app)
	l.ours.Range(func(_, m any) bool {
		if h, is := m.(Handle); is && h.Recorded().App == app && h.Alive() {
			ms = append(ms, h)
		}
		return true
	})
	return ms
}

// changed is told by the supervisor.
func (l *Loop) changed(app string, st runner.Status) {
	l.stateMu.Lock()
	text := stateText(st)
	was := l.states[app]
	l.states[app] = text
	l.stateMu.Unlock()
	if was != text {
		log := l.Core.Log.Info
		if st.State == runner.StateBackoff || st.State == runner.StateDegraded || st.LogError != "" {
			log = l.Core.Log.Warn
		}
		attrs := []any{"app", app, "state", string(st.State), "pid", st.PID}
		if st.Reason != "" {
			attrs = append(attrs, "reason", st.Reason)
		}
		if st.LogError != "" {
			attrs = append(attrs, "log", st.LogError)
		}
		log("state", attrs...)
		l.Core.Emit(app, string(st.State), st.Reason)
	}
	if st.Suspended {
		l.Reconciler.Enqueue(app, Intent{}, false)
	}
	l.Told(app, st.PID, st.State)
	l.Touched(app)
}

// masterEnded is told by the supervisor.
func (l *Loop) masterEnded(app string, pid int, since time.Time) {
	l.Told(app, pid, "")
	l.Touched(app)
	told := l.Core.Ended(pid)
	if l.ending.Load() || l.Core.Activator.Listens(app) != nil {
		return
	}
	if told {
		// As one that had nothing to do: somebody may have come meanwhile.
		l.Reconciler.Enqueue(app, Intent{}, false)
		return
	}
	// Whoever stopped it looks after the app; a master that nobody stopped is
	// made good here.
	w, o := l.Core.Look(l.Reconciler.Life(), app)
	cur, _ := o.Current(plan.DigestOf(w.Spec))
	if cur != nil || w.Spec == nil || !w.Spec.Enabled || o.Override.Stopped {
		l.Reconciler.Enqueue(app, Intent{}, false)
		return
	}
	lived := l.Core.Now().Sub(since)
	wait := l.Reconciler.Died(app, lived, restartOf(o.AppState))
	next := "restarting now"
	if wait > 0 {
		next = fmt.Sprintf("restarting in %s", words.RoundUp(wait))
	}
	l.Core.Log.Error("master died", "app", app, "pid", pid, "lived", lived.Round(time.Millisecond), "next", next)
}

// masterHangs is told by the supervisor.
func (l *Loop) masterHangs(app string, pid int) {
	if l.Core.Hangs(pid) {
		l.Core.Log.Error("master does not answer", "app", app, "pid", pid, "next", "replacing it; the requests it was serving are lost")
	}
	l.Reconciler.Enqueue(app, Intent{}, false)
}

// IsReady tells whether the app's master has told that it is ready, and nothing
// else.
func (l *Loop) IsReady(app string) bool {
	l.stateMu.Lock()
	defer l.stateMu.Unlock()
	return l.states[app] == stateText(runner.Status{State: runner.StateReady})
}
