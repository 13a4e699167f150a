package specdir

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
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
func (d *Directory) noteLosses(set *hclspec.Set) {
	d.mu.Lock()
	for n, s := range set.Specs {
		d.homes[n] = s.File
		delete(d.gone, n)
	}
	gone := maps.Clone(d.gone)
	d.mu.Unlock()
	now := place{Dir: d.Path, ID: d.placeID(), seen: true}
	d.readPlace()
	was := d.place
	if was.Dir != now.Dir {
		was = place{}
	}
	if len(set.Empty) > 0 || len(was.Lost) > 0 || len(set.Specs)+len(set.Faults) == 0 {
		d.readHomes()
		homes := maps.Clone(d.homes)
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
	d.savePlace(now)
}

// readHomes adds the apps that an earlier process has known. It needs loadMu.
func (d *Directory) readHomes() {
	if d.homesRead {
		return
	}
	d.homesRead = true
	apps, _ := d.Store.Apps()
	for _, app := range apps {
		if d.homes[app] == "" {
			if r := d.Store.Load(app); r.LastGood != nil {
				d.homes[app] = r.LastGood.File
			}
		}
	}
}

// Removed notes that an app was taken out of the directory on purpose.
func (d *Directory) Removed(apps ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, app := range apps {
		d.gone[app] = true
	}
}

// LostApps are those of the apps that the set keeps for lost.
func LostApps(set *hclspec.Set, apps []string) (out []string) {
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
func (d *Directory) placeID() string {
	fi, err := d.Disk.Stat(d.Path)
	if err != nil {
		return ""
	}
	return state.FileID(fi.Sys())
}

func (d *Directory) placePath() string { return placePath(d.Store.Data) }

// placePath is the file of a data directory that says which directory was read last.
func placePath(data string) string { return filepath.Join(data, "directory.json") }

func (d *Directory) readPlace() {
	if d.place.seen {
		return
	}
	d.place.seen = true
	if b, err := afero.ReadFile(d.Store.FS, d.placePath()); err == nil {
		if json.Unmarshal(b, &d.place) != nil {
			d.place = place{seen: true} // it only ever adds caution
		}
	}
}

func (d *Directory) savePlace(now place) {
	if now.ID == d.place.ID && now.Dir == d.place.Dir && slices.Equal(now.Lost, d.place.Lost) {
		return
	}
	b, err := json.Marshal(now)
	done := true
	if err == nil {
		done, err = d.Store.ReplaceAlone(d.placePath(), append(b, '\n'))
	}
	if done {
		d.place = now
	}
	if err != nil {
		d.Log.Warn("cannot write "+d.placePath(), "err", err)
	}
}

// LastRead is the spec directory that was read last on a data directory; empty: it is
// not known.
func LastRead(data string) string {
	var last place
	b, err := os.ReadFile(placePath(data))
	if err != nil || json.Unmarshal(b, &last) != nil {
		return ""
	}
	return last.Dir
}
