package fleet

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
)

// Who removes an app deletes its block or its file. A file that is there but holds
// none of its apps any more, and a directory that has lost all of them at once or
// is another one than it was, are damage: a writer that truncates first, a full
// disk, a file system that is not mounted. Their apps are kept, and that is said,
// until apply confirms that they are to go.

// place is what a directory was when it held apps last.
type place struct {
	Dir  string   `json:"dir"`
	ID   string   `json:"id"`             // device and inode
	Lost []string `json:"lost,omitempty"` // apps that went with it and were neither seen again nor given up, sorted
	seen bool     // it was read from the store
}

// losses finds apps that went without having been removed. homes are the files of
// the last good specs by app, of those that were not removed on purpose; moved
// tells that the directory is another one than the one that held them, before are
// the apps that were lost already: files come back one by one. It is pure.
func losses(set *hclspec.Set, homes map[string]string, moved bool, before []string) []hclspec.Fault {
	spoken := map[string]bool{}
	for _, f := range set.Faults {
		spoken[f.App] = true
		for _, n := range f.Apps {
			spoken[n] = true
		}
	}
	missing := map[string][]string{} // apps by file
	for app, file := range homes {
		if set.Specs[app] == nil && !spoken[app] && filepath.Dir(file) == set.Dir {
			missing[file] = append(missing[file], app)
		}
	}
	var out []hclspec.Fault
	lost := func(file, what string, apps []string) {
		slices.Sort(apps)
		text := fmt.Sprintf("%s: %s; kept running: %s; %s", file, what, strings.Join(apps, ", "),
			"if they are to be removed, confirm it with: wsgid-fleet apply")
		out = append(out, hclspec.Fault{File: file, Summary: text, Text: text + "\n", Apps: apps, Lost: true})
	}
	for _, file := range set.Empty {
		if apps := missing[file]; len(apps) > 0 {
			lost(file, "it no longer defines any app", apps)
			delete(missing, file)
		}
	}
	apps := slices.Concat(slices.Collect(maps.Values(missing))...)
	late := slices.DeleteFunc(slices.Clone(apps), func(n string) bool { return !slices.Contains(before, n) })
	switch {
	case len(apps) == 0:
	case len(set.Specs) > 0 || len(set.Faults) > 0:
		if len(late) > 0 {
			lost(set.Dir, "of the files that vanished at once these are not back", late)
		}
	case moved:
		lost(set.Dir, "it is empty, and not the directory that held its apps (is it mounted?)", apps)
	case len(missing)+len(out) > 1 || len(late) > 0:
		lost(set.Dir, "all its files vanished at once", apps)
	}
	return out
}

// noteLosses adds what losses finds to a set. It needs loadMu.
func (e *engine) noteLosses(set *hclspec.Set) {
	e.mu.Lock()
	for n, s := range set.Specs {
		e.homes[n] = s.File
		delete(e.gone, n)
	}
	gone := maps.Clone(e.gone)
	e.mu.Unlock()
	now := place{Dir: e.opts.Dir, ID: e.placeID(), seen: true}
	e.readPlace()
	was := e.place
	if was.Dir != now.Dir {
		was = place{}
	}
	if len(set.Empty) > 0 || len(was.Lost) > 0 || len(set.Specs)+len(set.Faults) == 0 {
		e.readHomes()
		homes := maps.Clone(e.homes)
		maps.DeleteFunc(homes, func(n, _ string) bool { return gone[n] })
		moved := was.ID != "" && now.ID != "" && was.ID != now.ID
		faults := losses(set, homes, moved, was.Lost)
		for _, f := range faults {
			now.Lost = append(now.Lost, f.Apps...)
		}
		slices.Sort(now.Lost)
		set.Faults = append(set.Faults, faults...)
	}
	if len(set.Specs) == 0 {
		now.ID = was.ID // it holds no app: what is there now may be anything
	}
	e.savePlace(now)
}

// readHomes adds the apps that an earlier process has known. It needs loadMu.
func (e *engine) readHomes() {
	if e.homesRead {
		return
	}
	e.homesRead = true
	apps, _ := e.store.Apps()
	for _, app := range apps {
		if e.homes[app] == "" {
			if r := e.store.Load(app); r.LastGood != nil {
				e.homes[app] = r.LastGood.File
			}
		}
	}
}

// removed notes that an app was taken out of the directory on purpose.
func (e *engine) removed(apps ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, app := range apps {
		e.gone[app] = true
	}
}

// lostApps are those of the apps that the set keeps for lost.
func lostApps(set *hclspec.Set, apps []string) (out []string) {
	for _, f := range set.Faults {
		for _, n := range f.Apps {
			if f.Lost && slices.Contains(apps, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// placeID tells the spec directory from another one at its path; empty: it cannot
// be told.
func (e *engine) placeID() string {
	fi, err := e.disk.Stat(e.opts.Dir)
	if err != nil {
		return ""
	}
	return reconcile.FileID(fi.Sys())
}

func (e *engine) placePath() string { return placePath(e.store.Data) }

// placePath is the file of a data directory that says which directory was read last.
func placePath(data string) string { return filepath.Join(data, "directory.json") }

func (e *engine) readPlace() {
	if e.place.seen {
		return
	}
	e.place.seen = true
	if b, err := afero.ReadFile(e.fs, e.placePath()); err == nil {
		if json.Unmarshal(b, &e.place) != nil {
			e.place = place{seen: true} // it only ever adds caution
		}
	}
}

func (e *engine) savePlace(now place) {
	if now.ID == e.place.ID && now.Dir == e.place.Dir && slices.Equal(now.Lost, e.place.Lost) {
		return
	}
	e.place = now
	b, err := json.Marshal(now)
	if err == nil {
		err = e.store.Replace(e.placePath(), append(b, '\n'))
	}
	if err != nil {
		e.log.Warn("cannot write "+e.placePath(), "err", err)
	}
}
