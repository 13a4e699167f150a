package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// Observed is what is true of an app now.
type Observed struct {
	App       string
	Problems  []string // of the app folder: what a repair would put right, path by path
	FolderErr error    // why the folder cannot be checked: no such user, no such disk
	Unknown   error    // why it cannot be told what runs; then nothing is done
	Masters   []Seen   // live ones, newest first, draining ones last
	surrounding
	FindErr error // why masters cannot be looked for: there may be some
	state.AppState
	// CanSleep: this process keeps and watches the sockets of apps that need no
	// master now. Awaited are the listen strings on which this app is waited for.
	CanSleep bool
	Awaited  []string
	Asked    Asked // what an operator asks for beyond the spec, this once
}

// Seen is one live master.
type Seen struct {
	runner.Record
	Status runner.Status
	Err    error // it does not answer
	Hung   bool  // nor has it for a while
	Swept  bool  // nor will it: its control socket is gone for good
	master master
}

// Digest of the spec that it runs.
func (s Seen) digest() string {
	if s.Err == nil && s.Status.SpecDigest != "" {
		return s.Status.SpecDigest
	}
	return s.SpecDigest
}

// elsewhere tells that it was given another spec than this one last, which it
// is rolling out or has given up.
func (s Seen) elsewhere(digest string) bool {
	return s.Err == nil && s.Status.WantDigest != "" && s.Status.WantDigest != digest
}

// moved tells that the app folder is another one than the master's.
func (s Seen) moved(o Observed) bool {
	return s.Err == nil && s.Status.Folder != "" && o.Folder != "" && s.Status.Folder != o.Folder
}

func (s Seen) generation() int {
	if s.Err == nil {
		return max(s.Status.Generation, s.Generation)
	}
	return s.Generation
}

func (s Seen) draining() bool {
	return s.Draining || s.Err == nil && s.Status.State == runner.StateStopping
}

// serving: requests are answered by its workers.
func (s Seen) serving() bool {
	if s.Err != nil {
		return false
	}
	switch s.Status.State {
	case runner.StateReady, runner.StateUpdating, runner.StateIdle, runner.StateDegraded:
		return true
	case runner.StateStarting, runner.StateBackoff, runner.StateStopping:
		return false
	}
	return false
}

// Asked is what an operator asks for once, whatever the spec says.
type Asked struct {
	Retry   bool // try again at once what failed
	Reload  bool // replace the workers
	Restart bool // replace the master
	Wake    bool // start the master: somebody came to a socket of it
	// Dead is set by the supervisor: a master is gone that nobody stopped.
	Dead bool
	// Confirmed: what the directory says now is to be carried out, though edits wait.
	Confirmed bool
}

func (a Asked) merge(b Asked) Asked {
	return Asked{
		Retry: a.Retry || b.Retry, Reload: a.Reload || b.Reload,
		Restart: a.Restart || b.Restart, Wake: a.Wake || b.Wake, Dead: a.Dead || b.Dead,
		Confirmed: a.Confirmed || b.Confirmed,
	}
}

// byOperator: a human being wants it now.
func (a Asked) byOperator() bool { return a.Retry || a.Reload || a.Restart }

// answerTimeout is how long a master has for an answer that it has at hand.
const answerTimeout = 2 * time.Second

// Observe reads what is true of an app. The spec tells what its folder should
// be; nil: the folder is not looked at.
func (e *engine) Observe(ctx context.Context, name string, spec *appspec.Spec) Observed {
	return e.observe(ctx, name, e.store.Load(name), spec)
}

func (e *engine) observe(ctx context.Context, name string, rem state.AppState, spec *appspec.Spec) Observed {
	o := Observed{App: name, AppState: rem, CanSleep: e.activator != nil && !e.roused.has(name), Awaited: e.activator.Listens(name)}
	o.Masters, o.FindErr = e.masters(ctx, name)
	if o.Unknown = o.FindErr; o.Unknown == nil {
		o.Unknown = rem.Unknown
	}
	if spec != nil {
		o.Problems, o.FolderErr = e.folders.check(spec, o.liveOf())
		o.surrounding = e.folders.around(e.disk, spec)
	}
	return o
}

// masters finds the live masters of an app and asks each for its status.
func (e *engine) masters(ctx context.Context, name string) ([]Seen, error) {
	ms, err := e.machine.find(e.store.Dir, name)
	if err != nil {
		e.log.Error("cannot look for masters", "app", name, "err", err)
		return nil, fmt.Errorf("cannot look for masters of app %s: %w", name, err)
	}
	ms, mute, err := e.unseen(ctx, name, ms)
	if err != nil {
		return nil, err
	}
	known := len(ms)
	ms = append(ms, mute...)
	seen := make([]Seen, len(ms))
	var wg sync.WaitGroup
	for i, m := range ms {
		if i >= known {
			seen[i] = Seen{Record: m.record(), Err: errSwept, Swept: true, master: m}
			continue
		}
		wg.Go(func() {
			_, hung := e.hung.Load(m.record().PID)
			limit := answerTimeout
			if hung {
				limit /= 10 // it has had its time
			}
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			st, err := m.Status(ctx, 0)
			seen[i] = Seen{Record: m.record(), Status: st, Err: err, Hung: hung && err != nil, master: m}
		})
	}
	wg.Wait()
	for _, m := range seen {
		if appdir.Exhausted(m.Err) {
			return seen, m.Err // ours is the fault: the master may be well
		}
	}
	return seen, nil
}
