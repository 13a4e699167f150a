package fleet

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

func TestDataDirectoryThatGoesWithAStateDirectory(t *testing.T) {
	if own := runner.DefaultDataDir(); own != "" {
		if got := (Options{}).withDefaults().DataDir; got != own {
			t.Errorf("with the own state directory: %s, want %s", got, own)
		}
		if got := (Options{StateDir: runner.DefaultStateDir()}).withDefaults().DataDir; got != own {
			t.Errorf("with the own state directory by name: %s, want %s", got, own)
		}
	}
	// Two fleets on one machine must not share their data by accident.
	if got := (Options{StateDir: "/x/y"}).withDefaults().DataDir; got != "/x/y/data" {
		t.Errorf("with another state directory: %s", got)
	}
	if o := (Options{StateDir: "/x/y", DataDir: "/z/"}).withDefaults(); o.DataDir != "/z" || o.dataChosen {
		t.Errorf("by name: %+v", o)
	}
}

// The state directory is in memory and gone after a reboot. What an operator
// ordered, and the specs that stand for files that do not parse, are not.
func TestWhatSurvivesAReboot(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	data := filepath.Join(f.Root, "data")
	o := Options{Dir: f.Dir, StateDir: f.State, DataDir: data, Log: shownLog(t)}
	for _, app := range []string{"one", "two", "three"} {
		f.Real(app)
	}
	stop := f.daemon(o)
	op, err := Connect(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if rs, err := op.Stop(context.Background(), []string{"two"}, nil); err != nil || !rs[0].OK {
		t.Fatalf("stop: %+v, %v", rs, err)
	}
	if rs, err := op.Scale(context.Background(), map[string]int{"three": 2}, nil); err != nil || !rs[0].OK {
		t.Fatalf("scale: %+v, %v", rs, err)
	}
	op.Close()
	stop()
	if err := os.RemoveAll(f.State); err != nil {
		t.Fatal(err)
	}
	f.Write("one", "app \"one\" {\n  pth = \"typo\"\n")                       // a typo
	f.Write("four", strings.Replace(f.Read("three"), `"three"`, `"four"`, 1)) // stands in the way of three

	f.daemon(o)
	eventually(t, "the app whose file does not parse serves", func() bool { b, err := f.get("one"); return err == nil && b == "hello" })
	eventually(t, "the app with another one in its way serves", func() bool { b, err := f.get("three"); return err == nil && b == "hello" })
	if st := f.status("one"); st.Reason == "" || !strings.Contains(st.Reason, "one.hcl") {
		t.Errorf("status does not say why the last good spec holds: %+v", st)
	}
	if st := f.status("two"); st.State != StateStopped {
		t.Errorf("stopped before the reboot, now %s", st.State)
	}
	if st := f.status("three"); st.Desired != (state.Desired{Min: 2, Max: 2}) {
		t.Errorf("scaled to 2 before the reboot, now %+v", st.Desired)
	}
}

// Earlier versions kept in the state directory what now lies in the data
// directory.
func TestTakesOverWhatLiesInTheStateDirectory(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	old := filepath.Join(f.State, "apps", "blog")
	if err := os.MkdirAll(old, 0o700); err != nil {
		t.Fatal(err)
	}
	f.Spec("blog")
	o := f.fakeOptions(m)
	e, err := newCore(o)
	if err != nil {
		t.Fatal(err)
	}
	set, err := e.Dir.Load()
	if err != nil || set.Specs["blog"] == nil {
		t.Fatalf("%v, %+v", err, set)
	}
	for name, v := range map[string]any{state.FileSpec: set.Specs["blog"], state.FileOverride: state.Override{Stopped: true}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(old, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.Write("blog", "app \"blog\" {")
	for range 2 { // the second time there is nothing to do
		e.Store.TakeOver(shownLog(t))
		r := e.Store.Load("blog")
		if r.LastGood == nil || r.LastGood.File != f.File("blog") || !r.Override.Stopped || len(r.Corrupt) > 0 {
			t.Errorf("taken over: %+v", r)
		}
	}
	if es, err := os.ReadDir(old); err != nil || len(es) > 0 {
		t.Errorf("the old place still holds %v, %v", es, err)
	}
	if fi, err := os.Stat(e.Store.Data); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("the data directory holds secrets and has mode %v, %v", fi.Mode().Perm(), err)
	}
}

// A data directory that was not named and cannot be used is no reason not to run.
func TestDataDirectoryThatCannotBeMade(t *testing.T) {
	f := newFleetDir(t)
	blocked := filepath.Join(f.Root, "blocked")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := f.fakeOptions(reconciletest.NewMachine()).withDefaults().withDefaults() // as a daemon does
	o.DataDir = filepath.Join(blocked, "wsgid")
	kept := &keptLog{}
	o.Log = kept.logger()
	s, err := openStore(o)
	if err != nil || s.Data != filepath.Join(f.State, "data") {
		t.Fatalf("%+v, %v", s, err)
	}
	if !kept.has("cannot make data directory " + o.DataDir)() {
		t.Error("it is not said")
	}
	o.dataChosen = false
	if _, err := openStore(o); err == nil || !strings.HasPrefix(err.Error(), "cannot make data directory "+o.DataDir) {
		t.Errorf("named: %v", err)
	}
}
