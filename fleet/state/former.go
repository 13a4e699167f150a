package state

import (
	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
)

// ReleaseOf is the release that should serve of an app by its spec; nil: none. Of an app that
// was never deployed that is the one of an app that is gone, had its folder and came from its
// repository: it is that app, under another name, and who renames an app does not want it to
// stop.
func (r *AppState) ReleaseOf(spec *appspec.Spec, gone func(app string, was *AppState) bool) *deploy.Record {
	current := r.CurrentRelease()
	if r.releaseKnown || r.store == nil || r.Unknown != nil {
		return current
	}
	deployed, _ := r.store.appsIn(deploy.BooksDir(r.store.Data))
	for _, app := range deployed {
		var was AppState
		r.store.LoadSpec(app, &was)
		if was.Unknown != nil || !gone(app, &was) {
			continue
		}
		now, _, _, err := r.store.Book(app).Current()
		if err == nil && now != nil && cameFor(spec, now, was.LastGood) {
			r.Former = app
			if current != nil { // a deploy of it was under way when it was given its name
				return current
			}
			return now
		}
	}
	return current
}

// cameFor tells whether a release lies where a spec says, and came from there. One of an
// earlier version of the program does not say so itself; the last good spec of its app does.
func cameFor(spec *appspec.Spec, r *deploy.Record, was *appspec.Spec) bool {
	if r.Folder != "" {
		return r.Folder == spec.Path && r.Repository == spec.Deploy.Repository
	}
	return was != nil && was.Deploy != nil && was.Path == spec.Path && was.Deploy.Repository == spec.Deploy.Repository
}

// Inherit takes over the deploys of the app that this one was; which has yet to be done as long
// as one of them is under way.
func (s *Store) Inherit(app, former string) error {
	return s.Book(app).Inherit(s.Book(former))
}
