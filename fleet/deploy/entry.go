package deploy

import (
	"slices"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Kinds of an entry.
const (
	KindDeploy   = "deploy"
	KindRollback = "rollback"
)

// Results of an entry and of a stage.
const (
	ResultRunning     = "running"
	ResultOK          = "ok"
	ResultFailed      = "failed"
	ResultInterrupted = "interrupted"
)

// Entry is one deploy in the logbook of an app.
type Entry struct {
	ID   string `json:"id"` // "20261128-051203"
	App  string `json:"app"`
	Kind string `json:"kind"`
	By   string `json:"by"` // who asked for it
	// Order is what its asker calls it, who finds it by that at the next daemon.
	Order      string        `json:"order,omitempty"`
	Began      time.Time     `json:"began"`
	Ended      time.Time     `json:"ended,omitzero"`
	Result     string        `json:"result"`
	Reason     string        `json:"reason,omitempty"` // of a failure
	Ref        string        `json:"ref,omitempty"`    // what was asked for: "main", "v1.2", an object id
	Commit     string        `json:"commit,omitempty"`
	Release    string        `json:"release,omitempty"`
	Virtualenv string        `json:"virtualenv,omitempty"` // relative to the app folder
	Stages     []StageRecord `json:"stages"`
	Pruned     bool          `json:"pruned,omitempty"` // its folder is gone
}

// StageRecord is one stage of an entry.
type StageRecord struct {
	Name   string    `json:"name"`
	Title  string    `json:"title"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended,omitzero"`
	Result string    `json:"result"`
	Note   string    `json:"note,omitempty"`   // "requirements unchanged"
	Output string    `json:"output,omitempty"` // its last lines
}

// Took is how long the deploy took; 0 while it runs.
func (e *Entry) Took() time.Duration {
	if e.Ended.IsZero() {
		return 0
	}
	return max(0, e.Ended.Sub(e.Began))
}

// Took is how long the stage took; 0 while it runs.
func (s *StageRecord) Took() time.Duration {
	if s.Ended.IsZero() {
		return 0
	}
	return max(0, s.Ended.Sub(s.Began))
}

// outcome is the result as a verb.
func (e *Entry) outcome() string {
	switch e.Result {
	case ResultInterrupted:
		return "was interrupted"
	case ResultRunning:
		return "is still running"
	case ResultOK: // and yet not good
		return "left no release"
	}
	return e.Result
}

// Good says that the release of this entry can be gone back to.
func (e *Entry) Good() bool {
	return e.Kind == KindDeploy && e.Result == ResultOK && e.Release != "" && !e.Pruned
}

// Whole says that all was done that the spec wants, though its process was ended: what
// runs after the switch, too.
func (e *Entry) Whole(spec *appspec.Deploy) bool {
	if slices.ContainsFunc(e.Stages, func(s StageRecord) bool { return s.Result == ResultFailed }) {
		return false
	}
	if spec == nil || e.Kind != KindDeploy {
		return true
	}
	for _, want := range spec.Stages {
		if want.When == "after" && !slices.ContainsFunc(e.Stages, func(s StageRecord) bool { return s.Name == want.Name && s.Result == ResultOK }) {
			return false
		}
	}
	return true
}

// Left says what a deploy has changed that ended before its release served.
func (e *Entry) Left() string {
	const unchanged = "the running app was not changed"
	if ran := e.stagesRun(); ran != "" {
		return "before that " + ran + "; " + unchanged
	}
	return unchanged
}

// stagesRun names the stages of the spec that ran, wholly or in part; empty: none did.
func (e *Entry) stagesRun() string {
	var ran []string
	for _, s := range e.Stages {
		if !slices.Contains(appspec.OwnStages, s.Name) {
			ran = append(ran, s.Name)
		}
	}
	if len(ran) == 0 {
		return ""
	}
	return strings.Join(ran, " and ") + " ran in the new release: its changes remain"
}

// Record is the release that should serve.
type Record struct {
	appspec.Release
	Virtualenv string        `json:"virtualenv,omitempty"` // relative to the app folder; empty: the spec's own
	Deploy     string        `json:"deploy"`               // the entry that made it current
	Made       *appspec.Made `json:"made,omitempty"`       // how the app reaches its database; nil: none was made
	Folder     string        `json:"folder,omitempty"`     // the app folder that it lies in
	Repository string        `json:"repository,omitempty"` // where it came from
}

// step says what it means to go to another record; empty from none, as the fetch has
// told it all. A project that is installed has a virtualenv of its own in each
// release, which says nothing.
func (r *Record) step(to *Record, install bool) string {
	switch {
	case r == nil:
		return ""
	case install:
		return r.Step(&to.Release, "", "")
	}
	return r.Step(&to.Release, r.Virtualenv, to.Virtualenv)
}

// Apply puts the release into a spec that has a deploy block: a copy of it comes
// back. Without a record the spec is as it is.
func (r *Record) Apply(spec *appspec.Spec) *appspec.Spec {
	if r == nil || spec == nil || spec.Deploy == nil {
		return spec
	}
	s := *spec
	release := r.Release
	s.Release, s.Made = &release, r.Made
	if s.Virtualenv == "" {
		s.Virtualenv = r.Virtualenv
	}
	return &s
}
