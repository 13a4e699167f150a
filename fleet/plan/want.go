package plan

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// Want is what an app should be.
type Want struct {
	Spec *appspec.Spec // nil: the app should not be, or nothing is known of it
	// Held tells why Spec is the last good one and not what the directory says
	// now; empty where it is what the directory says.
	Held string
	// Invalid tells that the app exists but no good spec of it was ever seen;
	// nothing is done then.
	Invalid string
	Fault   *hclspec.Fault // behind Held or Invalid, if a file is at fault
	// Waiting tells what the directory says otherwise, where edits wait for apply:
	// Spec is what apply has confirmed last, nil for an app that it never did.
	Waiting string
	// Asked is what the directory says where Spec goes on in another folder: that of its
	// release, until it is deployed to the one that path names now. nil: it is Spec.
	Asked *appspec.Spec
}

// Said is what the directory says, wherever its release lies.
func (w Want) Said() *appspec.Spec { return cmp.Or(w.Asked, w.Spec) }

// Stays says why the app goes on in another folder than path says; empty: it does not.
func (w Want) Stays() string {
	if w.Asked == nil {
		return ""
	}
	shared := ""
	if d := w.Asked.Deploy; d != nil && len(d.Shared) > 0 {
		shared = fmt.Sprintf(", after what it keeps in %s/shared is copied to %s/shared", w.Spec.Path, w.Asked.Path)
	}
	return fmt.Sprintf("its release is in %s and not in %s, as path says now; it continues where it is; bring it there with: wsgid-fleet deploy %s%s; or set path = %q in %s",
		w.Spec.Path, w.Asked.Path, w.Asked.Name, shared, w.Spec.Path, w.Asked.File)
}

// Stay has an app whose path was changed go on where its release is, unless that was moved too
// or the folder is another app's now.
func (w *Want) Stay(r *state.AppState, set *hclspec.Set) {
	spec := w.Spec
	if spec == nil || spec.Release == nil || w.Asked != nil {
		return
	}
	folder := r.StaysIn(spec)
	if folder == "" {
		return
	}
	if set != nil {
		for name, s := range set.Specs {
			if name != spec.Name && s.Path == folder {
				return
			}
		}
	}
	there := *spec
	there.Path = folder
	w.Spec, w.Asked = &there, spec
}

// Gone tells that the app was taken out of the directory.
func (w Want) Gone() bool { return w.Spec == nil && w.Invalid == "" && w.Waiting == "" }

// Wanted decides what an app should be from the directory and the last good
// spec: broken keeps, missing removes (ARCHITECTURE.md, Guarantees). Without a set
// (the directory cannot be read) everything is kept.
func Wanted(set *hclspec.Set, setErr error, name string, last *appspec.Spec) Want {
	hold := func(why string, f *hclspec.Fault) Want {
		if last == nil {
			return Want{Invalid: why, Fault: f}
		}
		return Want{Spec: last, Held: why, Fault: f}
	}
	if setErr != nil {
		return hold(setErr.Error(), nil)
	}
	if set.DefaultsBroken {
		f := DefaultsFault(set)
		return hold(DefaultsText(f), f)
	}
	if s := set.Specs[name]; s != nil {
		return Want{Spec: s}
	}
	for i := range set.Faults {
		f := &set.Faults[i]
		if f.App == name || slices.Contains(f.Apps, name) {
			return hold(f.Summary, f)
		}
	}
	if last != nil {
		for i := range set.Faults {
			f := &set.Faults[i]
			// A file so broken that the names in it cannot be read, or a fault of
			// the directory itself.
			if f.App == "" && (f.File == last.File || f.File == set.Dir) {
				return hold(f.Summary, f)
			}
			// The app whose environment it was, with none now and not good by itself.
			if last.Environment != "" && f.App == last.App() {
				return hold(f.Summary, f)
			}
		}
		if f := claimant(set, last); f != nil {
			return hold(f.Summary, f)
		}
	}
	return Want{}
}

// claimant is what is wrong with a file that holds the folder, an address or a host of an app
// which no file defines any more: who gives an app another name, or its file, and makes a mistake
// beside that, does not want it to stop. nil: there is no such file.
func claimant(set *hclspec.Set, last *appspec.Spec) *hclspec.Fault {
	has := append(state.ReachedBy(last), last.Path)
	for i := range set.Faults {
		f := &set.Faults[i]
		text := set.Sources[f.File]
		if f.App != appspec.GateName && slices.ContainsFunc(has, func(s string) bool { return bytes.Contains(text, []byte(appspec.Quote(s))) }) {
			return f
		}
	}
	return nil
}

// WantOf is wanted by what is remembered of an app. What is known of it may be
// damaged: then nobody knows in which file it stood, and where a file cannot be read,
// or all of them are gone, it may be that one. It is left alone, and that is said.
// What is wrong with the file that names the release is noted in r.
func WantOf(r *state.AppState, set *hclspec.Set, setErr error, name string) Want {
	w := Wanted(set, setErr, name, r.LastGood)
	if w.Spec != nil && w.Spec.Deploy != nil {
		w.Spec = r.ReleaseOf(w.Spec, func(app string, last *state.AppState) bool {
			return app != name && set != nil && Wanted(set, nil, app, last.LastGood).Gone()
		}).Apply(w.Spec)
		w.Stay(r, set)
	}
	if !w.Gone() || r.LastGood != nil || len(r.Damaged) == 0 {
		return w
	}
	for i := range set.Faults {
		if f := &set.Faults[i]; f.App == "" && len(f.Apps) == 0 {
			return Want{Invalid: lostTrack(r.Damaged, "it may have been there: "+f.Summary), Fault: f}
		}
	}
	switch {
	case len(set.Empty) > 0:
		return Want{Invalid: lostTrack(r.Damaged, "it may have been in "+set.Empty[0]+", which defines no app")}
	case len(set.Specs)+len(set.Faults) == 0:
		return Want{Invalid: lostTrack(r.Damaged, "no spec is left in "+set.Dir)}
	}
	return w
}

func lostTrack(damaged []string, where string) string {
	return fmt.Sprintf("%s; %s; it is left unchanged until a spec defines it; to remove it, delete the file that cannot be read", strings.Join(damaged, "; "), where)
}

// DefaultsFault is what is wrong with defaults.hcl, of a set whose defaults are broken.
func DefaultsFault(set *hclspec.Set) *hclspec.Fault {
	for i := range set.Faults {
		if strings.HasSuffix(set.Faults[i].File, "/defaults.hcl") {
			return &set.Faults[i]
		}
	}
	if len(set.Faults) > 0 {
		return &set.Faults[0]
	}
	return &hclspec.Fault{File: set.Dir + "/defaults.hcl", Summary: "defaults.hcl is broken"}
}

// DefaultsText is what comes of that for every app.
func DefaultsText(f *hclspec.Fault) string {
	return "the fleet is not changed while defaults.hcl is broken: " + f.Summary
}

// Names of all apps that exist in the directory, in faults or in the state
// directory, sorted.
func Names(set *hclspec.Set, known []string) []string {
	seen := map[string]bool{}
	for _, n := range known {
		seen[n] = true
	}
	if set != nil {
		for n := range set.Specs {
			seen[n] = true
		}
		for _, f := range set.Faults {
			if f.App != "" {
				seen[f.App] = true
			}
			for _, n := range f.Apps {
				seen[n] = true
			}
		}
	}
	all := make([]string, 0, len(seen))
	for n := range seen {
		all = append(all, n)
	}
	sort.Strings(all)
	return all
}
