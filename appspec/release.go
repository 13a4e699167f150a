package appspec

import (
	"fmt"
	"strings"
	"time"
)

// Release is code that a deploy has brought into an app folder. Workers are told
// its own path and not that of a link to it: what they import late is of the
// release that they have begun with.
type Release struct {
	ID     string `json:"id"`     // "20261128-1"
	Commit string `json:"commit"` // object id
	Dir    string `json:"dir"`    // "releases/20261128-1", relative to the app folder
}

// CodeDir is the folder with the code, relative to the app folder; empty where
// that is app/.
func (r *Release) CodeDir() string {
	if r == nil {
		return ""
	}
	return r.Dir
}

// String is the release as plan and status show it: "20261128-1 (commit 3f2a91c003)".
func (r *Release) String() string {
	if r == nil {
		return ""
	}
	if r.Commit == "" {
		return r.ID
	}
	return r.ID + " (commit " + ShortCommit(r.Commit) + ")"
}

// ShortCommit is the beginning of an object id, as people are shown it and as deploy
// takes it.
func ShortCommit(id string) string { return id[:min(10, len(id))] }

// DeployID is the id of a deploy that begins now, where the newest one is that; empty: it
// is the first. Ids sort by time: in one second, or by a clock that was set back, they go
// on behind the newest.
func DeployID(now time.Time, newest string) string {
	id := now.UTC().Format("20060102-150405")
	if id > newest {
		return id
	}
	base, suffix, _ := strings.Cut(newest, ".")
	n := 0
	_, _ = fmt.Sscanf(suffix, "%d", &n) // none: the first behind it
	return fmt.Sprintf("%s.%03d", base, n+1)
}

// Step says what it means to go from one release to another, of which each has a
// virtualenv or none: "commit 3f2a91c003 → 9ab0123456, requirements unchanged". Either
// may be nil: then the code is in app/.
func (r *Release) Step(to *Release, before, after string) string {
	switch {
	case r == nil && to == nil:
		return ""
	case to == nil:
		return "app/ instead of release " + r.String()
	case r == nil:
		return "release " + to.String()
	}
	text := "commit " + ShortCommit(r.Commit) + " → " + ShortCommit(to.Commit)
	if r.Commit == to.Commit {
		text = "release " + r.ID + " → " + to.ID + " of commit " + ShortCommit(to.Commit)
	}
	switch {
	case before == after && after != "":
		text += ", requirements unchanged"
	case after != "":
		text += ", requirements changed: new virtualenv"
	case before != "":
		text += ", no virtualenv any more"
	}
	return text
}

// release notes a deploy or a rollback: new workers with the other code before
// the old ones leave.
func (d *differ) release() {
	b, a := d.before.Release, d.after.Release
	if b.CodeDir() != a.CodeDir() || b.String() != a.String() {
		d.add("release", b.String(), a.String(), Rolling)
	}
}
