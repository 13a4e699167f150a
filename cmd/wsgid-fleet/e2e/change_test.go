package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// only removes the specs of all other apps, for tests that need not wait for
// Django.
func (b *harness) only(names ...string) {
	b.t.Helper()
	for _, name := range []string{"hello", "polls", "m2"} {
		if !slices.Contains(names, name) {
			b.must(os.Remove(filepath.Join(b.specs, name+".hcl")))
		}
	}
}

// load is traffic on the harness's hello app, half of it on kept connections.
// The returned function ends it and fails the test for any loss.
func (b *harness) load(app, addr string) func() {
	b.t.Helper()
	var loads []*Load
	for _, keep := range []bool{true, false} {
		l := &Load{App: app, Addr: addr, Connections: 2, KeepAlive: keep, Pause: 2 * time.Millisecond}
		l.Start()
		loads = append(loads, l)
	}
	return func() {
		b.t.Helper()
		for _, l := range loads {
			counts := l.Stop()
			if counts.Good == 0 || len(counts.Lost) > 0 {
				b.t.Errorf("load on %s, keep-alive %v: %v", app, l.KeepAlive, counts)
				for _, lost := range counts.Lost[:min(len(counts.Lost), 5)] {
					b.t.Error(lost)
				}
			}
		}
	}
}

func TestEditingCountKeepsTheWorkers(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only("hello")
		b.run()
		old := b.await("hello", "ready", 2)
		done := b.load("hello", b.hello)
		b.replace("wsgid.d/hello.hcl", "count = 2", "count = 4")
		grown := b.await("hello", "ready", 4)
		if grown.Master.PID != old.Master.PID {
			t.Errorf("the master %d became %d", old.Master.PID, grown.Master.PID)
		}
		for _, pid := range old.pids() {
			if !slices.Contains(grown.pids(), pid) || !alive(pid) {
				t.Errorf("process %d did not stay: %v", pid, grown.pids())
			}
		}
		b.replace("wsgid.d/hello.hcl", "count = 4", "count = 1")
		shrunk := b.await("hello", "ready", 1)
		if !slices.Contains(grown.pids(), shrunk.Workers[0].PID) {
			t.Errorf("worker %d is new after a scale-down of %v", shrunk.Workers[0].PID, grown.pids())
		}
		done()
	})
}

func TestEditingTheEnvironmentRollsTheWorkers(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only("hello")
		b.run()
		old := b.await("hello", "ready", 2)
		done := b.load("hello", b.hello)
		b.replace("wsgid.d/hello.hcl", `"Hello"`, `"Servus"`)
		eventually(t, patience, "both workers to be new", func() error {
			now, err := b.app("hello")
			if err != nil {
				return err
			}
			if now.State != "ready" || len(now.Workers) != 2 {
				return fmt.Errorf("it is %+v", now)
			}
			for _, w := range now.Workers {
				if slices.Contains(old.pids(), w.PID) {
					return fmt.Errorf("worker %d is still there", w.PID)
				}
			}
			return nil
		})
		done()
		wantAnswer(t, b.hello, "/", "Servus from worker ")
	})
}

func TestRemovingASpecStopsThatAppAlone(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only("hello", "polls")
		b.run()
		hello, polls := b.await("hello", "ready", 2), b.await("polls", "ready", 2)
		done := b.load("hello", b.hello)
		b.must(os.Remove(filepath.Join(b.specs, "polls.hcl")))
		eventually(t, patience, "polls to be gone", func() error {
			for _, pid := range polls.pids() {
				if alive(pid) {
					return fmt.Errorf("process %d lives", pid)
				}
			}
			if status, _, err := get(b.polls, "/"); err == nil {
				return fmt.Errorf("it answers %d", status)
			}
			if left, _ := filepath.Glob(filepath.Join(b.demo, "apps/polls/pid/*/*.pid")); len(left) > 0 {
				return fmt.Errorf("pid files are left: %v", left)
			}
			return nil
		})
		done()
		if now := b.await("hello", "ready", 2); !slices.Equal(now.pids(), hello.pids()) {
			t.Errorf("hello's processes %v became %v", hello.pids(), now.pids())
		}
		if _, err := os.Stat(filepath.Join(b.demo, "apps/polls/app/db.sqlite3")); err != nil {
			t.Errorf("the folder of a removed app must stay: %v", err)
		}
	})
}

func TestApplyRepairsTheFolder(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only("hello")
		b.ok("apply")
		before := b.await("hello", "ready", 2)
		folder := filepath.Join(b.demo, "apps/hello")
		b.must(os.RemoveAll(filepath.Join(folder, "plugins")))
		stale := filepath.Join(folder, "pid/worker/4194305.pid") // past the kernel's highest pid
		b.must(os.WriteFile(stale, []byte("4194305\n"), 0o644))
		b.must(os.Remove(filepath.Join(folder, "wsgid.json")))

		out := b.fleet("plan")
		if out.code != 2 {
			t.Errorf("plan of a damaged folder: %v", out)
		}
		for _, word := range []string{"repair", "plugins", "4194305.pid", "wsgid.json"} {
			if !strings.Contains(out.stdout, word) {
				t.Errorf("plan does not speak of %q: %v", word, out)
			}
		}
		b.ok("apply")
		if info, err := os.Stat(filepath.Join(folder, "plugins")); err != nil || !info.IsDir() {
			t.Errorf("plugins was not made again: %v", err)
		}
		if _, err := os.Stat(stale); err == nil {
			t.Error("the stale pid file stayed")
		}
		if _, err := os.Stat(filepath.Join(folder, "wsgid.json")); err != nil {
			t.Errorf("wsgid.json was not written again: %v", err)
		}
		after := b.await("hello", "ready", 2)
		if !slices.Equal(before.pids(), after.pids()) {
			t.Errorf("the repair restarted something: %v became %v", before.pids(), after.pids())
		}
		want := []string{filepath.Join(folder, "pid/master", strconv.Itoa(after.Master.PID)+".pid")}
		for _, w := range after.Workers {
			want = append(want, filepath.Join(folder, "pid/worker", strconv.Itoa(w.PID)+".pid"))
		}
		have, _ := filepath.Glob(filepath.Join(folder, "pid/*/*.pid"))
		slices.Sort(want)
		slices.Sort(have)
		if !slices.Equal(want, have) {
			t.Errorf("pid files %v, want %v", have, want)
		}
		if out := b.fleet("plan"); out.code != 0 {
			t.Errorf("plan after the repair: %v", out)
		}
	})
}

// A change that is being carried out is no fault.
func TestAnEditIsUpdatingUntilItIsCarriedOut(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only("hello")
		b.run()
		b.await("hello", "ready", 2)
		// New workers wait at their import until the gate is open.
		gate := filepath.Join(b.demo, "gate")
		code, err := os.ReadFile(filepath.Join(b.demo, "apps/hello/app/hello.py"))
		b.must(err)
		b.write("apps/hello/app/hello.py", fmt.Sprintf("import os, time\nwhile not os.path.exists(%q):\n    time.sleep(0.01)\n%s", gate, code))
		for _, edit := range []func(){
			func() { b.replace("wsgid.d/hello.hcl", "count = 2", "count = 3") },
			func() { b.replace("wsgid.d/hello.hcl", `GREETING = "Hello"`, `GREETING = "Hi"`) },
		} {
			edit()
			b.await("hello", "updating", -1)
			if r := b.fleet("status"); r.code != 0 {
				t.Errorf("status ends with %d while a change is carried out:\n%s%s", r.code, r.stdout, r.stderr)
			}
			b.must(os.WriteFile(gate, nil, 0o644))
			b.await("hello", "ready", 3)
			b.must(os.Remove(gate))
		}
	})
}
