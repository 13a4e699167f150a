package state

import (
	"maps"
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
)

// lostRelease is the release of an app that is gone.
type lostRelease struct {
	app string
	now *deploy.Record
	was *appspec.Spec // its last good spec; nil: not known
}

// lostReleases finds those that the logbooks know of apps that are gone.
func (s *Store) lostReleases(gone func(app string, was *AppState) bool) (out []lostRelease) {
	deployed, _ := s.appsIn(deploy.BooksDir(s.Data))
	for _, app := range deployed {
		var was AppState
		s.LoadSpec(app, &was)
		if was.Unknown != nil || !gone(app, &was) {
			continue
		}
		if now, _, _, err := s.Book(app).Current(); err == nil && now != nil {
			out = append(out, lostRelease{app, now, was.LastGood})
		}
	}
	return out
}

// ReleaseOf is the release that should serve of an app by its spec; nil: none. Of an app that
// was never deployed that is the one of an app that is gone, had its folder and came from its
// repository: it is that app, under another name, and who renames an app does not want it to
// stop.
func (r *AppState) ReleaseOf(spec *appspec.Spec, gone func(app string, was *AppState) bool) *deploy.Record {
	current := r.CurrentRelease()
	if r.releaseKnown || r.store == nil || r.Unknown != nil {
		return current
	}
	for _, lost := range r.store.lostReleases(gone) {
		if !lost.cameFor(spec) {
			continue
		}
		r.Former = lost.app
		if current != nil { // a deploy of it was under way when it was given its name
			return current
		}
		return lost.now
	}
	return current
}

// Formers says of apps that were never deployed here which app that is gone each of them was:
// for who must know it of all of them at once. Most times nothing is gone, and it costs little.
func (s *Store) Formers(specs map[string]*appspec.Spec, gone func(app string, was *AppState) bool) map[string]string {
	lost := s.lostReleases(func(app string, was *AppState) bool { return specs[app] == nil && gone(app, was) })
	if len(lost) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		for _, l := range lost {
			if !l.cameFor(specs[name]) {
				continue
			}
			if _, _, known, err := s.Book(name).Current(); err == nil && !known {
				out[name] = l.app
			}
			break
		}
	}
	return out
}

// cameFor tells whether the release lies where a spec says, and came from there. One of an
// earlier version of the program does not say so itself; the last good spec of its app does.
func (l *lostRelease) cameFor(spec *appspec.Spec) bool {
	switch {
	case spec.Deploy == nil:
		return false
	case l.now.Folder != "":
		return l.now.Folder == spec.Path && l.now.Repository == spec.Deploy.Repository
	}
	return l.was != nil && l.was.Deploy != nil && l.was.Path == spec.Path && l.was.Deploy.Repository == spec.Deploy.Repository
}

// Inherit takes over the deploys of the app that this one was; which has yet to be done as long
// as one of them is under way.
func (s *Store) Inherit(app, former string) error {
	return s.Book(app).Inherit(s.Book(former))
}
