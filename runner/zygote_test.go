package runner

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/stem"
	"github.com/wsgid-fleet/wsgid-fleet/runner/zygote"
)

// forked has the app's masters forked from a zygote.
func (a *testApp) forked() *zygote.Set {
	set := zygote.New(slog.New(slog.NewTextHandler(a.t.Output(), nil)))
	a.t.Cleanup(set.Close)
	a.zygotes = set
	a.zygote = func(spec *appspec.Spec, user sandbox.User, hostDir string, env []string) (f *stem.Fork) {
		// On a busy machine it takes longer than a master waits.
		for begin := time.Now(); time.Since(begin) < patience; {
			if f = set.Prepare(spec, user, hostDir, env); !strings.Contains(f.Why, "has not started within") {
				break
			}
		}
		return f
	}
	return set
}

// stateOfProcess answers by all that an application can see of its process.
const stateOfProcess = `
import sys
_modules = sorted(sys.modules)
_path, _flags, _orig = list(sys.path), repr(sys.flags), list(getattr(sys, "orig_argv", ()))
_main = {k: v for k, v in vars(sys.modules["__main__"]).items() if k != "worker"}
_sys = {k: repr(sorted(v) if isinstance(v, frozenset) else v) for k, v in vars(sys).items() if k not in ("modules", "path_importer_cache")}
import builtins, gc, json, locale, os, posix, resource, signal, site, threading, time, warnings

def stream(f):
    return [f.encoding, f.errors, f.line_buffering, f.write_through, f.seekable(), f.isatty(), f.name, f.mode,
            f.newlines, f.readable(), f.writable(), repr(f.buffer)]

def kind(fd):
    try:
        target = os.readlink("/proc/self/fd/" + fd).partition(":[")[0]
        return [target.replace(" (deleted)", ""), os.get_inheritable(int(fd))]
    except OSError:
        return None

def status():
    lines = dict(l.rstrip("\n").partition(":\t")[::2] for l in open("/proc/self/status"))
    return {k: lines.get(k) for k in ("Name", "Umask", "Uid", "Gid", "Groups", "CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb",
        "NoNewPrivs", "Seccomp", "SigBlk", "SigIgn", "SigCgt", "Threads", "CoreDumping", "Cpus_allowed", "THP_enabled")}

def application(environ, start_response):
    r = lambda v: repr(sorted(v) if isinstance(v, frozenset) else v)
    state = {
        "fds": {fd: kind(fd) for fd in os.listdir("/proc/self/fd") if kind(fd)},
        "environ": list(os.environ.items()), "posix.environ": [r(i) for i in posix.environ.items()], "getenv": [os.getenvb(b"WORD").decode()],
        "sh": os.popen("env").read().split("\n"),
        "python": os.popen("%s -c 'import sys, site; print(sys.path, sys.flags, sys.prefix)'" % sys.executable).read(),
        "sys": _sys, "sys.now": {k: r(v) for k, v in vars(sys).items() if k not in ("modules", "path_importer_cache")},
        "modules": _modules, "path": _path, "flags": _flags, "orig_argv": _orig, "main": {k: r(v) for k, v in _main.items()},
        "site": {k: r(v) for k, v in vars(site).items() if k != "__builtins__"}, "builtins": sorted(vars(builtins)),
        "streams": [stream(sys.stdin), stream(sys.stdout), stream(sys.stderr)],
        "status": status(), "cwd": os.getcwd(), "rlimits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")},
        "nice": os.nice(0), "leads": os.getpgid(0) == os.getpid(), "session": os.getsid(0) == os.getppid(),
        "threads": [t.name for t in threading.enumerate()], "ident": threading.get_ident() == threading.main_thread().ident,
        "native": threading.get_native_id() == os.getpid(),
        "signals": {str(s): r(signal.getsignal(s)) for s in signal.valid_signals()}, "mask": r(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "locale": {n: locale.setlocale(getattr(locale, n)) for n in dir(locale) if n.startswith("LC_") and n != "LC_ALL"},
        "preferred": locale.getpreferredencoding(), "fsencoding": sys.getfilesystemencoding(),
        "time": [time.tzname, time.timezone, time.localtime(0)[:6]], "warnings": r(warnings.filters),
        "gc": [gc.get_threshold(), gc.isenabled(), gc.get_debug()], "switch": sys.getswitchinterval(),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(state).encode()]
`

// A worker that is forked sees what one sees that was started by itself. What differs
// is listed here, and in the documentation of package zygote.
func TestForkedWorkerSeesTheSame(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*appspec.Spec){
		"plain": func(*appspec.Spec) {},
		"much": func(s *appspec.Spec) {
			s.Env["TZ"], s.Env["HOME"], s.Env["EMPTY"], s.Env["UMLAUT"] = "Asia/Tokyo", "/tmp", "", "ä=ö\n\xff"
			s.Env["PATH"] = "/usr/bin:/bin"
			s.Umask, s.NoNewPrivileges, s.WorkingDirectory = 0o027, true, "app"
			s.Limits = appspec.Limits{OpenFiles: 321, Processes: 4321, AddressSpace: 3 << 30}
			s.Workers.Threads = 3
		},
		"locale": func(s *appspec.Spec) { s.Env["LC_ALL"], s.Env["LANG"] = "C", "C.UTF-8" },
		"utf8":   func(s *appspec.Spec) { s.Env["LANG"], s.Env["LC_TIME"] = "C.UTF-8", "C" },
		"none":   func(s *appspec.Spec) { s.Env["LANG"] = "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var plain, forked map[string]any
			for _, state := range []*map[string]any{&plain, &forked} {
				a := newTestApp(t, stateOfProcess, func(s *appspec.Spec) {
					s.Env = map[string]string{"WORD": "of the spec"}
					change(s)
				})
				if state == &forked {
					a.forked()
				}
				h := a.start(StateReady)
				code, body := a.get("/")
				body = regexp.MustCompile(`0x[0-9a-f]{6,}`).ReplaceAllString(body, "0x")
				// The folders of the two apps have different names, and all else is made equal.
				body = strings.NewReplacer(a.spec.Path, "APP", a.state, "STATE").Replace(body)
				if err := json.Unmarshal([]byte(body), state); code != 200 || err != nil {
					t.Fatalf("%d %v: %s", code, err, body)
				}
				a.mustBeForked(h, state == &forked)
			}
			mayDiffer(plain, forked)
			compare(t, name, plain, forked)
		})
	}
}

// mustBeForked tells whether the workers of a master are forked from a stem.
func (a *testApp) mustBeForked(h *Handle, want bool) (stem int) {
	a.t.Helper()
	for _, pid := range appdir.ChildrenOf(fmt.Sprintf("/proc/%d/task", h.PID)) {
		if strings.HasPrefix(procStatus(a.t, pid)["Name"], "wsgid-s") {
			stem = pid
		}
	}
	if (stem != 0) != want {
		a.t.Fatalf("stem %d, want one: %v", stem, want)
	}
	return stem
}

// mayDiffer takes out what differs, and nothing else.
func mayDiffer(plain, forked map[string]any) {
	for _, m := range []map[string]any{plain, forked} {
		// What of the standard library the zygote needs is there a little earlier.
		m["modules"] = slices.DeleteFunc(m["modules"].([]any), func(name any) bool { return name == "fcntl" })
	}
}

func compare(t *testing.T, at string, a, b any) {
	t.Helper()
	x, isMap := a.(map[string]any)
	y, other := b.(map[string]any)
	if !isMap || !other {
		p, _ := json.Marshal(a)
		q, _ := json.Marshal(b)
		if string(p) != string(q) {
			t.Errorf("%s:\nby itself %s\nforked    %s", at, p, q)
		}
		return
	}
	keys := maps.Clone(x)
	maps.Copy(keys, y)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		compare(t, at+"/"+k, x[k], y[k])
	}
}

// forkedApp is an app of two workers with forked masters, and its stem.
func forkedApp(t *testing.T, change func(*appspec.Spec)) (a *testApp, h *Handle, stem int) {
	t.Helper()
	a = newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max = 2, 2
		if change != nil {
			change(s)
		}
	})
	a.forked()
	h = a.start(StateReady)
	return a, h, a.mustBeForked(h, true)
}

// isForked tells whether a worker came of a stem: its command line is the zygote's.
func isForked(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(b), "\x00-S\x00")
}

// settled waits until the app is ready by workers that are none of those of before, and
// are forked or not.
func (a *testApp) settled(h *Handle, before map[int]bool, forked bool) (st Status) {
	a.t.Helper()
	return a.wait(h, func(st Status) bool {
		for pid := range pids(st) {
			if before[pid] || isForked(pid) != forked {
				return false
			}
		}
		return st.State == StateReady && len(st.Workers) == 2
	})
}

// A worker that is forked is the master's own child in all that the kernel knows, and
// those that take the place of others are forked, too.
func TestForkedWorkersAreReplaced(t *testing.T) {
	t.Parallel()
	a, h, stem := forkedApp(t, nil)
	st := a.settled(h, nil, true)
	for pid := range pids(st) {
		if parent := parentOf(t, pid); parent != h.PID {
			t.Errorf("worker %d is a child of %d, not of its master", pid, parent)
		}
	}
	if st.Stem != stem {
		t.Errorf("status tells of stem %d, want %d", st.Stem, stem)
	}
	stop := a.load(2)
	before := pids(st)
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	st = a.settled(h, before, true)
	if n, bad := stop(); n == 0 || len(bad) > 0 {
		t.Errorf("of %d requests while workers were replaced these failed: %q", n, bad)
	}
	before = pids(st)
	for pid := range before {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	st = a.settled(h, before, true)
	if st.Restarts != 2 || !strings.Contains(st.LastError+a.logText(), "killed by SIGKILL") {
		t.Errorf("%d restarts, last error %q", st.Restarts, st.LastError)
	}
}

// Workers need neither the zygote nor the stem: they serve on, and others are started by
// themselves.
func TestStemThatDies(t *testing.T) {
	t.Parallel()
	a, h, stem := forkedApp(t, nil)
	st := a.settled(h, nil, true)
	before := pids(st)
	stop := a.load(2)
	if err := unix.Kill(stem, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if st = a.wait(h, func(st Status) bool { return st.Stem == 0 }); !maps.Equal(pids(st), before) || st.State != StateReady {
		t.Errorf("%s: workers %v, want %v", st.State, pids(st), before)
	}
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	a.settled(h, before, false)
	if n, bad := stop(); n == 0 || len(bad) > 0 {
		t.Errorf("of %d requests these failed: %q", n, bad)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", stem)); !os.IsNotExist(err) {
		t.Errorf("the stem is not reaped: %v", err)
	}
}

// A stem that hangs, and the workers that it should have forked, are given up.
func TestStemThatHangs(t *testing.T) {
	t.Parallel()
	a, h, stem := forkedApp(t, func(s *appspec.Spec) { s.Workers.StartTimeout = appspec.Duration(time.Minute) })
	before := pids(a.settled(h, nil, true))
	if err := unix.Kill(stem, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	a.settled(h, before, false)
}

// An interpreter, or its library, that was replaced meanwhile is not what stems have.
func TestStemThatIsOutOfDate(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 2, 2 })
	set := a.forked()
	library := filepath.Join(t.TempDir(), "library.py")
	if err := os.WriteFile(library, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	prepare := a.zygote
	a.zygote = func(spec *appspec.Spec, user sandbox.User, hostDir string, env []string) *stem.Fork {
		f := prepare(spec, user, hostDir, env)
		f.Stem.Loaded += stem.Mark(library)
		return f
	}
	h := a.start(StateReady)
	before := pids(a.settled(h, nil, true))
	if err := os.WriteFile(library, []byte("of another size"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	if st := a.settled(h, before, false); st.Stem != 0 {
		t.Errorf("stem %d", st.Stem)
	}
	if n := len(set.PIDs()); n != 1 {
		t.Errorf("%d zygotes", n)
	}
}

// What is read when Python starts is not what a stem has begun with: a worker that has
// it is started by itself, and the next one that has not is forked.
func TestSpecThatCannotBeForked(t *testing.T) {
	t.Parallel()
	a, h, _ := forkedApp(t, nil)
	before := pids(a.settled(h, nil, true))
	for i, c := range []struct {
		env map[string]string
		why string
	}{
		{map[string]string{"PYTHONUTF8": "1"}, "env has PYTHONUTF8, which is read before Python runs anything"},
		{map[string]string{"WORD": "again"}, ""},
		{map[string]string{"LC_ALL": "C"}, stem.Restart},
		{map[string]string{}, ""},
	} {
		spec := *a.spec
		spec.Env = c.env
		if err := h.Update(a.ctx(), &spec, i+2, true); err != nil {
			t.Fatal(err)
		}
		st := a.settled(h, before, c.why == "")
		if before = pids(st); st.Unforked != c.why {
			t.Errorf("%v: status says %q, want %q", c.env, st.Unforked, c.why)
		}
	}
}

// A master that could not be forked says why, also when its spec allows it meanwhile.
func TestMasterThatCannotBeForked(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max, s.Workers.Preload = 2, 2, true })
	set := a.forked()
	h := a.start(StateReady)
	st := a.settled(h, nil, false)
	if want := "with workers.preload its workers share more, with each other"; st.Unforked != want {
		t.Errorf("status says %q, want %q", st.Unforked, want)
	}
	spec := *a.spec
	spec.Workers.Preload = false
	if err := h.Update(a.ctx(), &spec, 2, true); err != nil {
		t.Fatal(err)
	}
	if st = a.settled(h, pids(st), false); st.Unforked != stem.Restart {
		t.Errorf("status says %q, want %q", st.Unforked, stem.Restart)
	}
	if zygotes := set.PIDs(); len(zygotes) > 0 {
		t.Errorf("zygotes %v", zygotes)
	}
}

// A zygote is begun where enough apps of a fleet can share it.
func TestZygoteIsForSeveral(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 2, 2 })
	set := a.forked()
	venv, other := *a.spec, *a.spec
	venv.Virtualenv, other.User = "/srv/venv", "another"
	few := slices.Repeat([]*appspec.Spec{a.spec}, zygote.Least-1)
	var fleet []*appspec.Spec
	set.Fleet = func() []*appspec.Spec { return fleet }
	fleet = append(few, &venv, &other)
	h := a.start(StateReady)
	if st, want := a.settled(h, nil, false), "fewer than 5 apps of user "; !strings.HasPrefix(st.Unforked, want) {
		t.Errorf("status says %q, want %q", st.Unforked, want)
	}
	b := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 2, 2 })
	b.zygote = a.zygote
	fleet = append(few, b.spec)
	b.settled(b.start(StateReady), nil, true)
}

// Where no zygote starts, or one takes too long for it, masters start without, and say
// so.
func TestZygoteThatDoesNotStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ instead, why string }{
		"fails": {"echo no such encoding >&2; exit 1", "the process that they are forked from ended at its start: no such encoding"},
		"hangs": {"exec sleep 60", "the process that they are forked from has not started within 3s; the next start of the app tries again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for d := dir; d != os.TempDir(); d = filepath.Dir(d) {
				if err := os.Chmod(d, 0o755); err != nil { //nolint:gosec // the app's user comes by
					t.Fatal(err)
				}
			}
			for _, d := range []string{"bin", "lib/python3"} {
				if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil { //nolint:gosec // the same
					t.Fatal(err)
				}
			}
			python := filepath.Join(dir, "bin", "python")
			// So it is taken for an installation.
			if err := os.WriteFile(filepath.Join(dir, "lib", "python3", "os.py"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf("#!/bin/sh\n[ \"$2\" != -S ] || { %s; }\nexec /usr/bin/python3 \"$@\"\n", c.instead)
			// A child of another test that begins just then has it open to write, too, and
			// nobody can run it meanwhile.
			syscall.ForkLock.RLock()
			err := os.WriteFile(python, []byte(text), 0o755) //nolint:gosec // the same
			syscall.ForkLock.RUnlock()
			if err != nil {
				t.Fatal(err)
			}
			a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max, s.Python = 2, 2, python })
			set := a.forked()
			if name == "hangs" { // else one that has not ended yet is waited for
				a.zygote = set.Prepare
			}
			h := a.start(StateReady)
			if st := a.settled(h, nil, false); st.Unforked != c.why {
				t.Errorf("status says %q, want %q", st.Unforked, c.why)
			}
		})
	}
}

// A worker that is forked and cannot begin is started by itself, which says why.
func TestForkedWorkerThatCannotBegin(t *testing.T) {
	t.Parallel()
	a, h, stem := forkedApp(t, nil)
	before := pids(a.settled(h, nil, true))
	spec := *a.spec
	spec.WorkingDirectory = "nowhere"
	if err := h.Update(a.ctx(), &spec, 2, true); err != nil {
		t.Fatal(err)
	}
	st := a.wait(h, func(st Status) bool { return st.RolloutError != "" && maps.Equal(pids(st), before) })
	if !strings.Contains(st.RolloutError, "does that folder exist? It is the working_directory of the spec") {
		t.Errorf("rollout error %q", st.RolloutError)
	}
	if st.Stem != stem {
		t.Errorf("stem %d, want %d", st.Stem, stem)
	}
}

// What a master has forked ends with it.
func TestForkedWorkersEndWithTheirMaster(t *testing.T) {
	t.Parallel()
	for _, how := range []unix.Signal{unix.SIGKILL, unix.SIGTERM} {
		a, h, stem := forkedApp(t, nil)
		all := append(slices.Collect(maps.Keys(pids(a.settled(h, nil, true)))), stem)
		if err := unix.Kill(h.PID, how); err != nil {
			t.Fatal(err)
		}
		for _, pid := range all {
			eventually(t, fmt.Sprintf("process %d to end after %v", pid, how), func() bool { return ended(pid) })
		}
		if text := a.logText(); strings.Contains(text, "sessions of their own") {
			t.Errorf("the stem is taken for something of the app's: %s", text)
		}
	}
}

// A zygote that has ended, or hangs, is replaced, and no start of a master fails.
func TestZygoteThatDies(t *testing.T) {
	t.Parallel()
	a, h, _ := forkedApp(t, nil)
	before := pids(a.settled(h, nil, true))
	set := a.zygotes
	for _, sig := range []unix.Signal{unix.SIGKILL, unix.SIGSTOP} {
		zygotes := set.PIDs()
		if len(zygotes) != 1 {
			t.Fatalf("zygotes %v", zygotes)
		}
		if err := unix.Kill(zygotes[0], sig); err != nil {
			t.Fatal(err)
		}
		if sig == unix.SIGKILL {
			// Until it is dead it may be asked, and the master is started without.
			if err := unix.Waitid(unix.P_PID, zygotes[0], nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
				t.Fatal(err)
			}
		}
		b := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 2, 2 })
		b.state, b.zygote = a.state, a.zygote
		b.spec.Name = "second"
		hb := b.start(StateReady)
		b.mustBeForked(hb, sig == unix.SIGKILL)
		_ = hb.Kill()
		_ = hb.Wait(a.ctx())
	}
	st, err := h.Status(a.ctx(), 0)
	if err != nil || !maps.Equal(pids(st), before) {
		t.Errorf("workers %v, %v; want %v", pids(st), err, before)
	}
}
