package plan

import (
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Observed is what is true of an app now.
type Observed struct {
	App       string
	Problems  []string // of the app folder: what a repair would put right, path by path
	FolderErr error    // why the folder cannot be checked: no such user, no such disk
	Unknown   error    // why it cannot be told what runs; then nothing is done
	Masters   []Master // live ones, newest first, draining ones last
	Surroundings
	FindErr error // why masters cannot be looked for: there may be some
	state.AppState
	// CanSleep: this process keeps and watches the sockets of apps that need no
	// master now. Awaited are the listen strings on which this app is waited for.
	CanSleep bool
	Awaited  []string
	// Successor is to take the place of this app, which is gone, and does not serve yet; empty: none is.
	Successor      string
	SuccessorFails bool    // it was tried in vain
	Request        Request // what an operator asks for beyond the spec, this once
}

// Master is one live master.
type Master struct {
	runner.Record
	Status runner.Status
	Err    error // it does not answer
	Hung   bool  // nor has it for a while
	Swept  bool  // nor will it: its control socket is gone for good
}

// Digest of the spec that it runs.
func (s Master) Digest() string {
	if s.Err == nil && s.Status.SpecDigest != "" {
		return s.Status.SpecDigest
	}
	return s.SpecDigest
}

// HandedAnother tells that it was given another spec than this one last, which it
// is rolling out or has given up.
func (s Master) HandedAnother(digest string) bool {
	return s.Err == nil && s.Status.WantDigest != "" && s.Status.WantDigest != digest
}

// moved tells that the app folder is another one than the master's.
func (s Master) moved(o Observed) bool {
	return s.Err == nil && s.Status.Folder != "" && o.Folder != "" && s.Status.Folder != o.Folder
}

// LastGeneration is the number of the spec that it was handed last.
func (s Master) LastGeneration() int {
	if s.Err == nil {
		return max(s.Status.Generation, s.Generation)
	}
	return s.Generation
}

// IsDraining tells that it was told to end, and finishes what it has.
func (s Master) IsDraining() bool {
	return s.Draining || s.Err == nil && s.Status.State == runner.StateStopping
}

// Serves tells that requests are answered by its workers.
func (s Master) Serves() bool {
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

// Request is what an operator asks for once, whatever the spec says.
type Request struct {
	Retry   bool // try again at once what failed
	Reload  bool // replace the workers
	Restart bool // replace the master
	Wake    bool // start the master: somebody came to a socket of it
	// Dead is set by the supervisor: a master is gone that nobody stopped.
	Dead bool
	// Confirmed: what the directory says now is to be carried out, though edits wait.
	Confirmed bool
}

// Merge is what both ask for.
func (a Request) Merge(b Request) Request {
	return Request{
		Retry: a.Retry || b.Retry, Reload: a.Reload || b.Reload,
		Restart: a.Restart || b.Restart, Wake: a.Wake || b.Wake, Dead: a.Dead || b.Dead,
		Confirmed: a.Confirmed || b.Confirmed,
	}
}

// byOperator: a human being wants it now.
func (a Request) byOperator() bool { return a.Retry || a.Reload || a.Restart }

// NextGeneration numbers what is handed to masters: one more for each other spec.
func (o Observed) NextGeneration(digest string) int {
	g := 0
	for _, m := range o.Masters {
		g = max(g, m.LastGeneration())
	}
	if o.Applied != nil {
		if o.Applied.Digest == digest {
			return max(g, o.Applied.Generation, 1)
		}
		g = max(g, o.Applied.Generation)
	}
	return g + 1
}

// Current is the master that stands for the app; nil: none does.
func (o Observed) Current(digest string) (cur *Master, draining bool) {
	for i := range o.Masters {
		m := &o.Masters[i]
		if m.IsDraining() {
			draining = true
			continue
		}
		if cur == nil || rank(*m, digest) > rank(*cur, digest) {
			cur = m
		}
	}
	return cur, draining
}

// rank: serving by the wanted spec, serving, answering with the wanted spec,
// answering, neither.
func rank(m Master, digest string) int {
	r := 0
	if m.Err == nil {
		r++
	}
	if m.Serves() {
		r += 4
	}
	if m.Err == nil && m.Digest() == digest {
		r += 2
	}
	return r
}

// Surroundings is what an app depends on beside what its spec says: it may change
// while the spec stays the same.
type Surroundings struct {
	Folder string   // tells the app folder from another one at its path; empty: there is none, or it cannot be told
	Gone   []string // listen strings of unix sockets that have no file
}

// Disturbed tells that something changed that an app must be looked at for.
func (s Surroundings) Disturbed(was Surroundings) bool {
	if s.Folder != "" && was.Folder != "" && s.Folder != was.Folder {
		return true
	}
	return slices.ContainsFunc(s.Gone, func(l string) bool { return !slices.Contains(was.Gone, l) })
}

// Same tells that nothing is other than it was.
func (s Surroundings) Same(was Surroundings) bool {
	return s.Folder == was.Folder && slices.Equal(s.Gone, was.Gone)
}

// DigestOf is the digest of a spec; empty: there is none.
func DigestOf(spec *appspec.Spec) string {
	if spec == nil {
		return ""
	}
	return runner.Digest(spec)
}
