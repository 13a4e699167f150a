package runner

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// noted waits until the master's record and socket are as they should be.
func (a *testApp) noted(pid int) *Handle {
	a.t.Helper()
	var ms []*Handle
	await.TrueIn(a.t, patience, fmt.Sprintf("master %d to note itself anew", pid), func() (ok bool) {
		var err error
		if ms, err = FindMasters(a.state, a.spec.Name); err != nil {
			a.t.Fatal(err)
		}
		return len(ms) == 1 && ms[0].PID == pid && !ms[0].Swept()
	}, func() any { return fmt.Sprintf("%+v", ms) })
	return ms[0]
}

// A master whose state directory was deleted makes all of it anew that it needs, in a
// chroot too: it can be asked, handed a new spec and replaced, and it starts workers.
func TestMasterMakesItsStateAnew(t *testing.T) {
	for _, chroot := range []bool{false, true} {
		t.Run(fmt.Sprintf("chroot=%v", chroot), func(t *testing.T) {
			if chroot {
				needsRoot(t)
			}
			a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Chroot = chroot })
			h := a.start(StateReady)
			for round := range 2 {
				if err := os.RemoveAll(a.state); err != nil {
					t.Fatal(err)
				}
				if ms, err := FindMasters(a.state, "demo"); err != nil || len(ms) != 0 {
					t.Fatalf("%v, %v", ms, err)
				}
				lost, err := FindSwept(a.state)
				if err != nil || len(lost) != 1 || lost[0].PID != h.PID {
					t.Fatalf("lost: %+v, %v", lost, err)
				}
				if err := lost[0].Restore(); err != nil {
					t.Fatal(err)
				}
				now := a.noted(h.PID)
				st, err := now.Status(a.ctx(), 0)
				if err != nil || now.Since != h.Since || now.SpecDigest != h.SpecDigest {
					t.Fatalf("noted as %+v, was %+v; %v", now.Record, h.Record, err)
				}
				// What answers is the worker of before; a new one needs the Python host.
				was := st.Workers[0].PID
				if round == 0 {
					if err := now.Reload(a.ctx()); err != nil {
						t.Fatal(err)
					}
				} else if err := unix.Kill(was, unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
				a.wait(now, func(n Status) bool { return n.State == StateReady && n.Rollout == 0 && !pids(n)[was] })
				if code, body := a.get("/"); code != 200 || !strings.HasPrefix(body, "hello ") {
					t.Errorf("got %d %q", code, body)
				}
			}
			old := a.noted(h.PID)
			files := a.listeners(old)
			next := a.startWith(StateReady, files, 2)
			for _, f := range files {
				_ = f.Close()
			}
			if err := old.Drain(a.ctx(), next); err != nil {
				t.Fatal(err)
			}
			if err := h.Wait(a.ctx()); err != nil {
				t.Fatal(err)
			}
			if code, _ := a.get("/"); code != 200 {
				t.Errorf("the next master: %d", code)
			}
			if a.noted(next.PID); strings.Contains(a.logText(), "cannot make") {
				t.Error("a master says that it could not")
			}
		})
	}
}

// A record that is damaged hides no master: it is found by its process, and writes its
// record anew. What is no master's is neither found nor touched.
func TestDamagedRecordHidesNoMaster(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	h := a.start(StateReady)
	name := h.File(h.dir)
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"empty": "", "truncated": string(good[:len(good)/2]), "of another process": strings.Replace(string(good), fmt.Sprintf(`"pid": %d`, h.PID), `"pid": 1`, 1),
		"of another start": strings.Replace(string(good), fmt.Sprintf(`"start_time": %d`, h.StartTime), `"start_time": 1`, 1),
		"of another boot":  strings.Replace(string(good), h.BootID, "another", 1), "of another app": strings.Replace(string(good), `"demo"`, `"other"`, 1),
	} {
		if text == string(good) {
			t.Fatalf("%s: nothing is damaged", what)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ms, err := FindMasters(a.state, "demo")
		if err != nil || len(ms) != 1 || ms[0].PID != h.PID || !ms[0].Alive() || !ms[0].Swept() {
			t.Errorf("%s: found %+v, %v", what, ms, err)
			continue
		}
		if st, err := ms[0].Status(a.ctx(), 0); err != nil || st.State != StateReady {
			t.Errorf("%s: it answers %+v, %v", what, st, err)
		}
		if err := ms[0].Restore(); err != nil {
			t.Fatal(err)
		}
		a.noted(h.PID)
		if now, err := os.ReadFile(name); err != nil || string(now) != string(good) {
			t.Errorf("%s: written anew as %s, %v", what, now, err)
		}
	}
	for _, other := range []string{"master-1.json", "master-.json", fmt.Sprintf("master-0%d.json", h.PID), fmt.Sprintf("master-%d.json", os.Getpid())} {
		other = h.dir + "/" + other
		if err := os.WriteFile(other, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if ms, err := FindMasters(a.state, "demo"); err != nil || len(ms) != 1 {
			t.Errorf("with %s: %+v, %v", other, ms, err)
		}
		if _, err := os.Stat(other); err != nil {
			t.Error(err)
		}
	}
	if err := h.Drain(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if err := h.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	// A damaged record of a master that is gone finds nobody.
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if ms, err := FindMasters(a.state, "demo"); err != nil || len(ms) != 0 {
		t.Errorf("after its end: %+v, %v", ms, err)
	}
}
