package specdir

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// Directory is the spec directory of one fleet, as it was read last, and what each app
// should be by that. Make it with New; the fields with capitals are set before the first
// Load.
type Directory struct {
	Path  string
	Store *state.Store
	Disk  *bounded.Fs // for what may lie on a disk that does not answer
	Log   *slog.Logger
	Now   func() time.Time
	// Hold has edits wait for apply, whatever the files say.
	Hold bool
	// Elsewhere says which of the apps are not to run on this host, and why; nil: there
	// is no other host.
	Elsewhere func(apps []cluster.App) map[string]string
	// Unready says of an app that is gone, and of its last good spec, which apps of a set are to
	// take its place and do not serve yet, and whether it serves; nil: nobody looks.
	Unready func(set *hclspec.Set, name string, was *appspec.Spec) (unready []string, serves bool)
	// Grace is how long an app must be missing to be gone; 0: at once.
	Grace time.Duration

	leaves leaves

	loadMu    sync.Mutex        // one load at a time; guards what follows
	cache     hclspec.Cache     // of the spec directory
	neutral   hclspec.Cache     // of it as no machine in particular reads it
	homes     map[string]string // the files of the last good specs by app
	homesRead bool              // those of an earlier process are among them
	place     place
	completed map[string]completed // by the last load, by app

	mu         sync.Mutex // guards what follows
	set        *hclspec.Set
	setErr     error                    // the directory cannot be read; set is nil then
	doors      *doors                   // of set, or of the one before
	missing    map[string]bool          // apps that the directory has named before
	lastWent   time.Time                // when it lost one of them last
	everywhere map[string]*appspec.Spec // of the last load; nil: there is no other host
	gone       map[string]bool          // apps that were taken out of the directory, as far as is known
}

// New is a directory that was not read yet.
func New(path string, store *state.Store, disk *bounded.Fs, log *slog.Logger) *Directory {
	return &Directory{
		Path: path, Store: store, Disk: disk, Log: log, Now: time.Now,
		setErr:  errors.New("the spec directory was not read yet"),
		missing: map[string]bool{}, gone: map[string]bool{}, homes: map[string]string{},
	}
}

// Load reads the spec directory anew.
func (d *Directory) Load() (*hclspec.Set, error) {
	d.loadMu.Lock()
	defer d.loadMu.Unlock()
	return d.load(d.LookAt())
}

// LookAt looks at the spec directory, for LoadBy.
func (d *Directory) LookAt() (*hclspec.Look, error) {
	d.Disk.Forgive()
	return hclspec.LookAt(d.Disk, d.Path)
}

// LoadBy is Load by a look that was taken just before, or by why there is none. Who calls it
// is the only one who loads.
func (d *Directory) LoadBy(look *hclspec.Look, err error) (*hclspec.Set, error) {
	d.loadMu.Lock()
	defer d.loadMu.Unlock()
	return d.load(look, err)
}

// load needs loadMu.
func (d *Directory) load(look *hclspec.Look, err error) (*hclspec.Set, error) {
	o := hostOptions(func(name string) (afero.File, error) {
		return d.Disk.OpenBy(name, func() (afero.File, error) { return openNamed(name) })
	})
	o.Cache = &d.cache
	var set *hclspec.Set
	var made *doors
	if err != nil {
		err = fmt.Errorf("%w; until then nothing changes in the fleet", err)
	} else {
		set = o.LoadBy(d.Disk, look)
		// What was lost is seen before what runs elsewhere is taken out, and before the gate
		// is given the names of those that serve.
		d.noteLosses(set)
		if d.Elsewhere != nil {
			d.placed(set)
		}
		made, d.completed = d.admit(set, d.completed, d.findFormers(set))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if made != nil {
		d.noteMissing(made.apps)
		d.doors = made
	}
	d.set, d.setErr = set, err
	return set, err
}

// Snapshot is what was read last, or why it cannot be read.
func (d *Directory) Snapshot() (*hclspec.Set, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.set, d.setErr
}

// Specs is all that the directory says.
func (d *Directory) Specs() []*appspec.Spec {
	set, _ := d.Snapshot()
	if set == nil {
		return nil
	}
	return slices.Collect(maps.Values(set.Specs))
}

// Names lists every app that is or should be.
func (d *Directory) Names() []string {
	set, _ := d.Snapshot()
	known, err := d.Store.Apps()
	if err != nil {
		d.Log.Error(err.Error())
	}
	return plan.Names(set, known)
}

// noteMissing notes which of the apps that ran by the directory it no longer names, those
// of broken files too. It needs mu.
func (d *Directory) noteMissing(named map[string]bool) {
	if d.doors != nil {
		for n := range d.doors.apps {
			if !named[n] {
				d.missing[n], d.lastWent = true, d.Now()
			}
		}
	}
	for n := range named {
		delete(d.missing, n)
	}
}

// goneIn notes whether an app is missing, and tells how long it must stay so to be gone;
// 0: it is, or is there. The gate waits with any of them, as it has the names of all.
func (d *Directory) goneIn(name string, missing bool) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case name == appspec.GateName && len(d.missing) > 0:
	case !missing:
		delete(d.missing, name)
		return 0
	case d.gone[name]:
		return 0
	case !d.missing[name]:
		d.missing[name], d.lastWent = true, d.Now()
	}
	return max(d.Grace-d.Now().Sub(d.lastWent), 0)
}

// AwaitWanted is what an app should be; where it has only just gone missing it
// waits whether that stays so, and whether others follow: a file that is written
// in place, or moved over another, is missing for an instant.
func (d *Directory) AwaitWanted(ctx context.Context, name string, rem *state.AppState, confirmed bool, idle func(func())) (plan.Want, error) {
	for {
		d.mu.Lock()
		set, setErr := d.set, d.setErr
		d.mu.Unlock()
		w := d.Wanted(set, setErr, name, rem, confirmed)
		wait := d.goneIn(name, w.Gone())
		if wait <= 0 {
			if w.Gone() {
				d.Removed(name)
			}
			return w, nil
		}
		idle(func() {
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
		})
		if ctx.Err() != nil {
			return w, fmt.Errorf("cannot bring app %s to its spec: %w", name, context.Cause(ctx))
		}
	}
}
