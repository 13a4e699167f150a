package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// AppState is all that the state directory holds of an app.
type AppState struct {
	LastGood *appspec.Spec // nil: none was ever seen
	Applied  *Applied      // nil: nothing was handed to a master
	Override Override
	Failure  *Failure // nil: none
	// Release is what a deploy has made the code that should serve. It is read where
	// an app turns out to have a deploy block: most have none, and each pass asks.
	Release      *deploy.Record
	releaseKnown bool
	book         *deploy.Book // where it is; nil: it was read, or nothing was recalled
	store        *Store       // where all that was read; nil: nothing was
	// Former is the app that this one was under another name, whose deploys it has yet to
	// take over; empty: none. ReleaseOf finds it.
	Former string
	former *deploy.Record // what should serve of it
	// Corrupt are files that could not be read, one sentence each.
	Corrupt []string
	Unknown error // why it cannot be told what there is, for want of descriptors or memory

	Guessed bool // LastGood is what was handed to a master last: its own file is lost

	// damaged says what is wrong with the files that tell which app it is; empty:
	// nothing. disordered: override.json is there and cannot be read.
	Damaged    []string
	Disordered bool
}

// Load reads what the state directory holds of an app.
func (s *Store) Load(app string) AppState {
	var r AppState
	s.LoadSpec(app, &r)
	s.LoadOrders(app, &r)
	r.Guess()
	return r
}

// Guess takes what was handed to a master last for the last good spec, where that
// is lost: an app is never given up for a file of ours.
func (r *AppState) Guess() {
	if r.LastGood == nil && r.Applied != nil {
		r.LastGood, r.Guessed = r.Applied.Spec, true
	}
}

// LoadSpec reads the last good spec. It costs more than all the rest.
func (s *Store) LoadSpec(app string, r *AppState) {
	var spec appspec.Spec
	switch {
	case !s.read(app, FileSpec, &spec, r):
	case spec.Name != app:
		r.foreign(s.Path(app, FileSpec), spec.Name)
	case !meansAnApp(&spec):
		r.foreign(s.Path(app, FileSpec), "")
	default:
		r.LastGood = &spec
	}
}

// LoadOrders reads all but the last good spec.
func (s *Store) LoadOrders(app string, r *AppState) {
	var ap Applied
	switch {
	case !s.read(app, FileApplied, &ap, r):
	case ap.Spec == nil || ap.Spec.Name != app || !meansAnApp(ap.Spec):
		r.foreign(s.Path(app, FileApplied), "")
	default:
		r.Applied = &ap
	}
	switch {
	case !s.read(app, FileOverride, &r.Override, r):
		r.Override = Override{}
	case r.Override.Empty(): // nobody has written that
		r.foreign(s.Path(app, FileOverride), "")
	}
	var f Failure
	if s.read(app, fileFailure, &f, r) {
		r.Failure = &f
	}
	r.book, r.store = s.Book(app), s
}

// meansAnApp tells whether a spec says where an app is and how it is reached: one of
// another version may say so elsewhere.
func meansAnApp(s *appspec.Spec) bool {
	return filepath.IsAbs(s.Path) && len(s.Sockets.HTTP)+len(s.Sockets.Mongrel2) > 0
}

// recallRelease reads which release should serve. Where that is lost it is the one
// that was handed to a master last, as no app is taken back for a file of ours.
func (r *AppState) loadRelease() {
	if r.book == nil {
		return
	}
	now, _, known, err := r.book.Current()
	r.book = nil
	switch {
	case appdir.Exhausted(err):
		r.Unknown = err
	case err != nil:
		r.Corrupt = append(r.Corrupt, err.Error()+"; using the release that was served last")
	default:
		r.Release, r.releaseKnown = now, known
	}
}

// CurrentRelease is the one that should serve; nil: none.
func (r *AppState) CurrentRelease() *deploy.Record {
	r.loadRelease()
	if r.releaseKnown {
		return r.Release
	}
	last := r.LastGood
	if r.Applied != nil {
		last = r.Applied.Spec
	}
	if last == nil || last.Release == nil {
		return nil
	}
	return &deploy.Record{Release: *last.Release, Virtualenv: last.Virtualenv, Deploy: last.Release.ID, Made: last.Made}
}

// Book is the logbook of an app's deploys.
func (s *Store) Book(app string) *deploy.Book { return deploy.OpenBook(s.FS, s.Data, app, s.Replace) }

// read reads one file; what is wrong with it is noted in r.
func (s *Store) read(app, file string, v any, r *AppState) bool {
	path := s.Path(app, file)
	b, err := afero.ReadFile(s.FS, path)
	if err == nil {
		err = appspec.JSONReason(json.Unmarshal(b, v))
	} else {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return false
		}
		if appdir.Exhausted(err) {
			r.Unknown = err
			return false
		}
		err = bounded.Reason(err)
	}
	if err != nil {
		r.corrupt(path, err.Error())
	}
	return err == nil
}

// foreign notes a file that is another app's.
func (r *AppState) foreign(path, of string) {
	if of == "" {
		r.corrupt(path, "it has a format that this version does not understand")
		return
	}
	r.corrupt(path, fmt.Sprintf("it is of app %q", of))
}

func (r *AppState) corrupt(path, why string) {
	text := fmt.Sprintf("cannot read %s: %s", path, why)
	r.Corrupt = append(r.Corrupt, text+"; treating it as missing")
	switch filepath.Base(path) {
	case FileSpec, FileApplied:
		r.Damaged = append(r.Damaged, text)
	case FileOverride:
		r.Disordered = true
	}
}

// SpecOf finds the spec of that digest; nil: it is not known.
func (r AppState) SpecOf(digest string) *appspec.Spec {
	if a := r.Applied; a != nil {
		if a.Digest == digest {
			return a.Spec
		}
		if a.Before != nil && runner.Digest(a.Before) == digest {
			return a.Before
		}
	}
	if l := r.LastGood; l != nil && runner.Digest(l) == digest {
		return l
	}
	return nil
}

// SocketFiles are the unix sockets that an app has listened on, by the specs
// that the store knows, but for those of the spec that stays (nil: none).
func (r AppState) SocketFiles(stays *appspec.Spec) map[*appspec.HTTPSocket]*appspec.Spec {
	specs := []*appspec.Spec{r.LastGood}
	if r.Applied != nil {
		specs = append(specs, r.Applied.Spec, r.Applied.Before)
	}
	out := map[*appspec.HTTPSocket]*appspec.Spec{}
	seen := map[string]bool{}
	if stays != nil {
		for _, s := range stays.Sockets.HTTP {
			seen[s.Listen] = true
		}
	}
	for _, spec := range specs {
		if spec == nil {
			continue
		}
		for i := range spec.Sockets.HTTP {
			s := &spec.Sockets.HTTP[i]
			if strings.HasPrefix(s.Listen, "unix:") && !seen[s.Listen] {
				seen[s.Listen] = true
				out[s] = spec
			}
		}
	}
	return out
}
