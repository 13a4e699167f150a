package appspec

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

// String is the release as plan and status show it: "20261128-1 (commit 3f2a91c)".
func (r *Release) String() string {
	if r == nil {
		return ""
	}
	if r.Commit == "" {
		return r.ID
	}
	return r.ID + " (commit " + r.Commit[:min(7, len(r.Commit))] + ")"
}

// release notes a deploy or a rollback: new workers with the other code before
// the old ones leave.
func (d *differ) release() {
	b, a := d.before.Release, d.after.Release
	if b.CodeDir() != a.CodeDir() || b.String() != a.String() {
		d.add("release", b.String(), a.String(), Rolling)
	}
}
