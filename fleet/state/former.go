package state

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
)

// lostRelease is the release of an app that is gone.
type lostRelease struct {
	app string
	now *deploy.Record // nil: each deploy of it has failed
	was *appspec.Spec  // its last good spec; nil: not known
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
		if now, _, _, err := s.Book(app).Current(); err == nil && (now != nil || was.LastGood != nil) {
			out = append(out, lostRelease{app, now, was.LastGood})
		}
	}
	return out
}

// ReleaseOf is the release that should serve of an app by its spec; nil: none. Of an app that
// was never deployed that is the one of an app that is gone, came from its repository, and had
// its folder or one of its addresses: it is that app, under another name, and who renames an
// app does not want it to stop.
func (r *AppState) ReleaseOf(spec *appspec.Spec, gone func(app string, was *AppState) bool) *deploy.Record {
	current := r.CurrentRelease()
	if r.releaseKnown || r.store == nil || r.Unknown != nil {
		return current
	}
	for _, lost := range r.store.lostReleases(gone) {
		if !lost.cameFor(spec) {
			continue
		}
		r.Former, r.former = lost.app, lost.now
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
			if l.now == nil || !l.cameFor(specs[name]) {
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

// cameFor tells whether the release came from where a spec says, and lies in its folder, or was
// reached as it is: the folder of an app follows its name where path says nothing else. A release
// of an earlier version of the program does not say where it lies, nor is there one of an app of
// which each deploy has failed; its last good spec does.
func (l *lostRelease) cameFor(spec *appspec.Spec) bool {
	was := l.was
	switch {
	case spec.Deploy == nil:
		return false
	case l.now == nil || l.now.Folder == "":
		return was != nil && was.Deploy != nil && was.Path == spec.Path && was.Deploy.Repository == spec.Deploy.Repository
	case l.now.Folder == spec.Path:
		return l.now.Repository == spec.Deploy.Repository
	}
	return was != nil && was.Deploy != nil && l.now.Repository == spec.Deploy.Repository &&
		was.Deploy.Directory == spec.Deploy.Directory && meet(ReachedBy(was), ReachedBy(spec))
}

// ReachedBy are the addresses and names of an app.
func ReachedBy(spec *appspec.Spec) []string {
	out := slices.Clone(spec.Hosts)
	for _, s := range spec.Sockets.HTTP {
		if !s.Adopts { // the gate's, which is called after the app
			out = append(out, s.Listen)
		}
	}
	for _, s := range spec.Sockets.Mongrel2 {
		out = append(out, s.Recv)
	}
	return out
}

func meet(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// folderLimit is how long a look into an app folder may take.
const folderLimit = time.Second

// StaysIn is the folder that the release of a spec lies in, where that is not the spec's own, as
// far as that can be seen; empty: it is, or it is nowhere.
func (r *AppState) StaysIn(spec *appspec.Spec) string {
	now := cmp.Or(r.CurrentRelease(), r.former)
	if now == nil || now.ID != spec.Release.ID || now.Folder == "" || now.Folder == spec.Path || r.store == nil || r.store.folders == nil {
		return ""
	}
	there := func(folder string) bool {
		is, err := afero.IsDir(r.store.folders, filepath.Join(folder, "releases", now.ID))
		return err == nil && is
	}
	if there(spec.Path) || !there(now.Folder) {
		return ""
	}
	return now.Folder
}

// Inherit takes over the deploys of the app that this one was; which has yet to be done as long
// as one of them is under way.
func (s *Store) Inherit(app, former string) error {
	return s.Book(app).Inherit(s.Book(former))
}
