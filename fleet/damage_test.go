package fleet

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// damages are what may have become of a file of the data directory.
func damages(t *testing.T) map[string]func(path string) {
	t.Helper()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(text string) func(string) {
		return func(path string) { t.Helper(); do(os.WriteFile(path, []byte(text), 0o600)) }
	}
	return map[string]func(path string){
		"truncated": func(path string) {
			fi, err := os.Stat(path)
			do(err)
			do(os.Truncate(path, fi.Size()/2))
		},
		"empty":                               put(""),
		"of a version that says it elsewhere": put(`{"version": 9, "name": "blog", "apps": [{"name": "blog"}]}`),
		"of a version that says it in other words": put(`{"version": 9, "name": ["blog"], "spec": "blog.hcl", "stopped": "yes"}`),
		"a folder": func(path string) {
			folder := filepath.Join(t.TempDir(), "folder")
			do(os.MkdirAll(filepath.Join(folder, "x"), 0o700))
			// At once: a file that is missing for a moment is an order taken back.
			do(unix.Renameat2(unix.AT_FDCWD, folder, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE))
		},
	}
}

// Damage in the data directory is no reason to stop an app, or to start one that was
// not there, whatever has happened to its spec file meanwhile. A new daemon, which
// remembers nothing, goes by what was handed to the master last; where that is lost
// too it leaves the app as it is. It says why, and all is well again when the file is.
func TestDamagedDataDirectory(t *testing.T) {
	for what, damage := range damages(t) {
		for _, files := range []string{state.FileSpec, state.FileApplied, state.FileSpec + " " + state.FileApplied} {
			for broken, text := range map[string]string{
				"does not parse": "app \"blog\" {\n  path = \n}\n", "says nothing": "@@@@\n", "is empty": "", "is gone with all others": "",
			} {
				t.Run(what+"/"+files+"/"+broken, func(t *testing.T) {
					f, m := newFleetDir(t), reconciletest.NewMachine()
					f.Spec("blog", reconciletest.Count(2))
					good := f.Read("blog")
					op, err := OpenLocal(f.fakeOptions(m)) // what it starts outlives it
					if err != nil {
						t.Fatal(err)
					}
					if rs, err := op.Apply(context.Background(), nil, nil); err != nil || !rs[0].OK {
						t.Fatalf("apply: %+v, %v", rs, err)
					}
					was := m.Only(t, "blog")
					store := &state.Store{Dir: f.State, Data: filepath.Join(f.State, "data")}
					for file := range strings.FieldsSeq(files) {
						damage(store.Path("blog", file))
					}
					if f.Write("blog", text); strings.HasPrefix(broken, "is gone") {
						f.Remove("blog")
					}
					f.daemon(f.fakeOptions(m))
					both := strings.Contains(files, " ")
					if strings.HasPrefix(broken, "is gone") && !both {
						return // the only file was deleted, and it is known that it was the app's
					}
					st := f.status("blog")
					if m.Count("blog") != 1 || m.Only(t, "blog") != was {
						t.Fatalf("the app was touched: %+v", st)
					}
					if st.State != "degraded" || st.Reason == "" {
						t.Errorf("state %s, reason %q", st.State, st.Reason)
					}
					said := st.Reason + strings.Join(st.Warnings, "\n")
					for file := range strings.FieldsSeq(files) {
						if !strings.Contains(said, "cannot read "+store.Path("blog", file)) {
							t.Errorf("%s is damaged, and it is not said: %+v", file, st)
						}
					}
					f.Write("blog", strings.Replace(good, "count = 2", "count = 3", 1))
					within(t, "the mended file is followed", func() bool {
						st := f.status("blog")
						return st.State == "ready" && st.Desired.Max == 3 && m.Count("blog") == 1
					})
					within(t, "nothing is damaged any more", func() bool { st := f.status("blog"); return st.Reason == "" && len(st.Warnings) == 0 })
				})
			}
		}
	}
}

// What an operator ordered is not forgotten for a damaged file while a daemon runs
// that knows it.
func TestDamagedOrders(t *testing.T) {
	for what, damage := range damages(t) {
		t.Run(what, func(t *testing.T) {
			f, m := newFleetDir(t), reconciletest.NewMachine()
			o := f.fakeOptions(m)
			f.Spec("blog")
			f.daemon(o)
			op, err := Connect(context.Background(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer op.Close()
			if rs, err := op.Stop(context.Background(), []string{"blog"}, nil); err != nil || !rs[0].OK {
				t.Fatalf("stop: %+v, %v", rs, err)
			}
			store, err := openStore(o.withDefaults())
			if err != nil {
				t.Fatal(err)
			}
			damage(store.Path("blog", state.FileOverride))
			f.Spec("blog", reconciletest.Count(3)) // a reason to look at it
			within(t, "the order is written down anew", func() bool { return store.Load("blog").Override.Stopped })
			if _, err := op.Apply(context.Background(), nil, nil); err != nil {
				t.Fatal(err)
			}
			if st := f.status("blog"); st.State != StateStopped || m.Count("blog") != 0 {
				t.Errorf("stopped before the damage, now %+v", st)
			}
		})
	}
}
