package fleet

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

func cutLine(s string) (before, after string, found bool) { return strings.Cut(s, "\n") }

// get asks an app over its unix socket.
func (f *fleetDir) get(name string) (string, error) {
	return ask("unix", filepath.Join(f.Root, name+".sock"))
}

// ask sends one request on a connection of its own.
func ask(network, addr string) (string, error) {
	c := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
	}}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://app/", nil)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return string(b), err
}

// status asks whoever knows, the daemon or the masters themselves.
func (f *fleetDir) status(name string) AppStatus {
	f.T.Helper()
	op, err := Connect(context.Background(), Options{StateDir: f.State, Dir: f.Dir})
	if err != nil {
		f.T.Fatal(err)
	}
	defer op.Close()
	st, err := op.Status(context.Background())
	if err != nil {
		f.T.Fatal(err)
	}
	for _, a := range st.Apps {
		if a.Name == name {
			return a
		}
	}
	return AppStatus{}
}

func (f *fleetDir) is(name, state string) func() bool {
	return func() bool { return f.status(name).State == state }
}

// daemon runs one in this process until the test ends or stop is called.
func (f *fleetDir) daemon(o Options, change ...func(*Daemon)) (stop func()) {
	f.T.Helper()
	if o.Dir == "" {
		o = Options{Dir: f.Dir, StateDir: f.State, Log: shownLog(f.T)}
	}
	d := NewDaemon(o)
	ready := make(chan struct{})
	var once sync.Once
	d.Hooks.Ready = func() { once.Do(func() { close(ready) }) }
	for _, c := range change {
		c(d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			f.T.Error(err)
		}
	})
	f.T.Cleanup(stop)
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		f.T.Fatalf("the daemon ended: %v", err)
	case <-time.After(patience):
		f.T.Fatalf("the daemon is not ready in %v", patience)
	}
	return stop
}

// child runs a daemon as a process of its own, to be killed.
func (f *fleetDir) child() *exec.Cmd {
	f.T.Helper()
	if testing.Short() {
		f.T.Skip("starts a daemon")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), daemonEnv+"="+f.Dir+"\n"+f.State)
	f.run(cmd)
	return cmd
}

// run starts a daemon's process and waits until it is ready. It is killed in the end.
func (f *fleetDir) run(cmd *exec.Cmd) (log *fleettest.Buffer) {
	f.T.Helper()
	log = &fleettest.Buffer{}
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.T.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.T.Fatal(err)
	}
	f.T.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if f.T.Failed() {
			f.T.Logf("daemon %d:\n%s", cmd.Process.Pid, log)
		}
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "READY\n" {
		f.T.Fatalf("the daemon says %q, %v", line, err)
	}
	return log
}

func TestApplyWithoutADaemonThenTakeover(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog", reconciletest.Count(2))
	op, err := Connect(context.Background(), Options{Dir: f.Dir, StateDir: f.State})
	if err != nil {
		t.Fatal(err)
	}
	if _, local := op.(*Local); !local {
		t.Fatalf("no daemon runs, and %T answers", op)
	}
	var seenStates []string
	rs, err := op.Apply(context.Background(), nil, func(ev Event) { seenStates = append(seenStates, ev.State) })
	if err != nil || len(rs) != 1 || !rs[0].OK || rs[0].State != "ready" {
		t.Fatalf("%+v, %v", rs, err)
	}
	if len(seenStates) == 0 {
		t.Error("no progress was told")
	}
	if body, err := f.get("blog"); body != "hello" {
		t.Fatalf("%q, %v", body, err)
	}
	before := f.status("blog")

	d := f.child()
	if got := f.status("blog"); got.Master == nil || got.Master.PID != before.Master.PID || got.Generation != before.Generation {
		t.Fatalf("taken over as %+v, was %+v", got.Master, before.Master)
	}
	if err := d.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = d.Wait()
	if body, err := f.get("blog"); body != "hello" {
		t.Fatalf("the daemon is dead: %q, %v", body, err)
	}
	// What changes while no daemon runs is carried out by the next one.
	f.Real("blog", reconciletest.Count(3))
	d = f.child()
	eventually(t, "3 workers under the same master", func() bool {
		a := f.status("blog")
		return a.State == "ready" && a.Master.PID == before.Master.PID && len(a.Workers) == 3
	})
	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := d.Wait(); err != nil {
		t.Errorf("after TERM: %v", err)
	}
	if ms, _ := runner.FindMasters(f.State, "blog"); len(ms) != 0 {
		t.Errorf("after TERM %d masters live", len(ms))
	}
}

func TestEdits(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog", reconciletest.Count(2))
	f.Real("shop", reconciletest.Count(1))
	f.daemon(Options{})
	eventually(t, "both are ready", func() bool { return f.is("blog", "ready")() && f.is("shop", "ready")() })
	blog, shop := f.status("blog"), f.status("shop")

	// Asked of the master itself: asking the daemon would make it look.
	ms, err := runner.FindMasters(f.State, "blog")
	if err != nil || len(ms) != 1 {
		t.Fatalf("%d masters, %v", len(ms), err)
	}
	start := time.Now()
	f.Real("blog", reconciletest.Count(4))
	eventually(t, "4 workers", func() bool {
		st, err := ms[0].Status(context.Background(), 0)
		return err == nil && st.Max == 4
	})
	t.Logf("an edit of count was carried out within %v", time.Since(start))
	eventually(t, "blog is ready", f.is("blog", "ready"))
	now := map[int]bool{}
	for _, w := range f.status("blog").Workers {
		now[w.PID] = true
	}
	for _, w := range blog.Workers {
		if !now[w.PID] {
			t.Errorf("worker %d did not survive", w.PID)
		}
	}

	// What cannot be rolled out leaves the old workers; taken back, all is well.
	before := f.status("blog")
	f.Real("blog", reconciletest.Count(4), `env = { MOOD = "bad" }`, `middleware = ["m:missing"]`)
	eventually(t, "blog is degraded", func() bool {
		a := f.status("blog")
		return a.State == "degraded" && strings.Contains(a.Reason, "missing")
	})
	if a := f.status("blog"); a.Next == "" {
		t.Errorf("nothing is said to do about it: %q", a.Reason)
	}
	f.Real("blog", reconciletest.Count(4))
	eventually(t, "blog is ready again", f.is("blog", "ready"))
	if a := f.status("blog"); a.Master.PID != before.Master.PID || a.Reason != "" || a.Next != "" {
		t.Errorf("after the edit was taken back: %+v", a)
	}

	// A file that breaks keeps the app, a file that goes takes it away.
	if err := os.WriteFile(f.File("blog"), []byte("app \"blog\" {\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "blog is degraded", f.is("blog", "degraded"))
	if a := f.status("blog"); !strings.HasPrefix(a.Reason, "runs on its last good spec: "+f.File("blog")+":1") {
		t.Errorf("reason %q", a.Reason)
	}
	f.Remove("blog")
	eventually(t, "blog is gone", func() bool { return f.status("blog").Name == "" })
	if _, err := os.Stat(filepath.Join(f.Path("blog"), "app", "m.py")); err != nil {
		t.Errorf("its folder: %v", err)
	}
	if a := f.status("shop"); a.Master.PID != shop.Master.PID || a.Workers[0].PID != shop.Workers[0].PID {
		t.Error("shop was touched")
	}

	// The directory goes and comes again: nothing stops.
	away := f.Dir + ".away"
	if err := os.Rename(f.Dir, away); err != nil {
		t.Fatal(err)
	}
	eventually(t, "shop says why", func() bool {
		return strings.Contains(f.status("shop").Reason, "cannot read spec directory "+f.Dir+": no such directory")
	})
	if err := os.Mkdir(f.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f.Real("shop", reconciletest.Count(2))
	eventually(t, "shop follows the new directory", func() bool {
		a := f.status("shop")
		return a.State == "ready" && len(a.Workers) == 2 && a.Master.PID == shop.Master.PID
	})
}

// load asks an app again and again until stop, and counts what went wrong.
func (f *fleetDir) load(name string, n int) (stop func() (good int64, faults []string)) {
	return underLoad(n, func() (string, error) { return f.get(name) })
}

func underLoad(n int, get func() (string, error)) (stop func() (good int64, faults []string)) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var ok atomic.Int64
	var mu sync.Mutex
	var bad []string
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				if body, err := get(); err != nil || body != "hello" {
					mu.Lock()
					bad = append(bad, fmt.Sprintf("%s %q, %v", time.Now().Format("05.000"), body, err))
					mu.Unlock()
				} else {
					ok.Add(1)
				}
			}
		})
	}
	return func() (int64, []string) {
		cancel()
		wg.Wait()
		return ok.Load(), bad
	}
}

func TestNothingIsLost(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog", reconciletest.Count(2))
	f.daemon(Options{})
	eventually(t, "blog is ready", f.is("blog", "ready"))
	c, err := Connect(context.Background(), Options{StateDir: f.State})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	must := func(rs []Result, err error) {
		t.Helper()
		if err != nil || len(rs) != 1 || !rs[0].OK {
			t.Fatalf("%+v, %v", rs, err)
		}
	}
	ctx := context.Background()
	stop := f.load("blog", 4)
	for range 2 {
		must(c.Reload(ctx, []string{"blog"}, nil))
		must(c.Restart(ctx, []string{"blog"}, nil))
		must(c.Scale(ctx, map[string]int{"blog": 1}, nil))
		must(c.Scale(ctx, map[string]int{"blog": 3}, nil))
		f.App("blog", "raise ImportError('not today')\n")
		if rs, err := c.Reload(ctx, []string{"blog"}, nil); err != nil || rs[0].OK || rs[0].State != "degraded" || !strings.Contains(rs[0].Traceback, "ImportError: not today") {
			t.Errorf("a reload of broken code: %+v, %v", rs, err)
		}
		master := f.status("blog").Master.PID
		if rs, err := c.Restart(ctx, []string{"blog"}, nil); err != nil || rs[0].OK || rs[0].State != "degraded" || !strings.Contains(rs[0].Traceback, "ImportError: not today") {
			t.Errorf("a restart of broken code: %+v, %v", rs, err)
		}
		if now := f.status("blog").Master.PID; now != master {
			t.Errorf("after a restart of broken code master %d serves, not %d", now, master)
		}
		f.App("blog", reconciletest.Hello)
		must(c.Reload(ctx, []string{"blog"}, nil))
	}
	good, bad := stop()
	if len(bad) > 0 || good < 20 {
		t.Errorf("%d good answers, %d lost: %v", good, len(bad), bad)
	}
}

// A master that is killed is replaced on the same socket: clients wait, none is
// refused; what was inside the dead one is cut off.
func TestAMasterThatDies(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog", reconciletest.Count(1))
	f.daemon(Options{})
	eventually(t, "blog is ready", f.is("blog", "ready"))
	old := f.status("blog")
	stop := f.load("blog", 4)
	if err := syscall.Kill(old.Master.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another master is ready", func() bool {
		a := f.status("blog")
		return a.State == "ready" && a.Master.PID != old.Master.PID
	})
	good, bad := stop()
	if good == 0 {
		t.Error("no answer at all")
	}
	for _, b := range bad {
		if !strings.Contains(b, "EOF") && !strings.Contains(b, "reset") && !strings.Contains(b, "broken pipe") {
			t.Errorf("refused: %s", b)
		}
	}
	for _, w := range old.Workers {
		eventually(t, fmt.Sprintf("worker %d of the dead master is gone", w.PID), func() bool {
			return syscall.Kill(w.PID, 0) != nil
		})
	}
}

// A master that is stopped is replaced on the same socket.
func TestAMasterThatHangs(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog", reconciletest.Count(1))
	f.daemon(Options{}, func(d *Daemon) { d.Pulse = 4 * time.Second }) // no longer than that a master may stand still
	eventually(t, "blog is ready", f.is("blog", "ready"))
	old := f.status("blog")
	if err := syscall.Kill(old.Master.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another master is ready", func() bool {
		a := f.status("blog")
		return a.State == "ready" && a.Master.PID != old.Master.PID
	})
	if body, err := f.get("blog"); body != "hello" {
		t.Errorf("%q, %v", body, err)
	}
}

func TestFailuresOfStarting(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	ln, err := net.Listen("tcp", freeport.Addr(t)) // it is let go, and listened on again
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f.App("taken", reconciletest.Hello)
	taken := func(lines ...string) string {
		return fmt.Sprintf("app \"taken\" {\n  path = %q\n  wsgi_app = \"m:app\"\n  sockets {\n    http {\n      listen = %q\n    }\n  }\n  %s\n}\n",
			f.Path("taken"), ln.Addr(), strings.Join(lines, "\n"))
	}
	f.Write("taken", taken(reconciletest.RestartFast))
	f.Real("good")
	f.App("code", "import nosuchmodule\n")
	f.Spec("code", `wsgi_app = "m:app"`, reconciletest.RestartFast)
	f.Real("python", `python = "/nonexistent/python3"`)
	f.daemon(Options{})
	c, err := Connect(context.Background(), Options{StateDir: f.State})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rs, err := c.Apply(context.Background(), nil, nil)
	if err != nil || len(rs) != 4 {
		t.Fatalf("%+v, %v", rs, err)
	}
	by := map[string]Result{}
	for _, r := range rs {
		by[r.App] = r
	}
	if r := by["good"]; !r.OK {
		t.Errorf("good: %+v", r)
	}
	want := fmt.Sprintf("cannot start master of taken: cannot listen on %s: the port is taken by another process (ss -ltnp shows which)", ln.Addr())
	if r := by["taken"]; r.OK || r.State != "backoff" || r.Reason != want {
		t.Errorf("taken: %+v", r)
	}
	if r := by["code"]; r.OK || r.State != "backoff" || !strings.Contains(r.Traceback, "ModuleNotFoundError: No module named 'nosuchmodule'") {
		t.Errorf("code: %+v", r)
	}
	if r := by["python"]; r.OK || r.State != "invalid" || !strings.Contains(r.Reason, "cannot use python /nonexistent/python3: no such file") {
		t.Errorf("python: %+v", r)
	}
	// It heals by itself when the cause is gone.
	ln.Close()
	eventually(t, "taken is ready", f.is("taken", "ready"))
}

func TestTwoDaemons(t *testing.T) {
	f := newFleetDir(t)
	f.daemon(f.fakeOptions(reconciletest.NewMachine()))
	err := NewDaemon(f.fakeOptions(reconciletest.NewMachine())).Run(context.Background())
	want := fmt.Sprintf("cannot run on state directory %s: the daemon with pid %d runs there; stop it, or name another with --state-dir", f.State, os.Getpid())
	var running *state.RunningError
	if !errors.As(err, &running) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := Connect(context.Background(), Options{StateDir: f.State, Dir: f.Root}); err == nil ||
		err.Error() != fmt.Sprintf("cannot use spec directory %s: the daemon (pid %d) on state directory %s runs the fleet of %s; name that directory with --dir, or another state directory with --state-dir",
			f.Root, os.Getpid(), f.State, f.Dir) {
		t.Errorf("another directory: %v", err)
	}
}

// Clients that hang or send rubbish harm nobody.
func TestBadControlClients(t *testing.T) {
	f := newFleetDir(t)
	m := reconciletest.NewMachine()
	f.Spec("blog")
	f.daemon(f.fakeOptions(m))
	sock := filepath.Join(f.State, "fleet.sock")
	if fi, err := os.Stat(sock); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("control socket: mode %v, %v", fi.Mode().Perm(), err)
	}
	for _, rubbish := range []string{
		"", "\x00\xff\xfe rubbish\r\n\r\n", "GET /v1/status HTTP/1.1\r\nHost: ", "POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
		"POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n[1]", "GET /v1/nonsense HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /v1/scale HTTP/1.1\r\nHost: x\r\nContent-Length: 24\r\n\r\n{\"counts\":{\"blog\":\"x\"}}\n",
	} {
		for range 20 {
			c, err := net.Dial("unix", sock)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close() // it hangs until the test ends
			if _, err := io.WriteString(c, rubbish); err != nil {
				t.Fatal(err)
			}
		}
	}
	c, err := Connect(context.Background(), Options{StateDir: f.State})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rs, err := c.Restart(context.Background(), []string{"blog"}, nil)
	if err != nil || len(rs) != 1 || !rs[0].OK {
		t.Errorf("%+v, %v", rs, err)
	}
	if _, err := c.Stop(context.Background(), []string{"blok"}, nil); err == nil || err.Error() != "cannot stop app blok: no spec in "+f.Dir+" names it; did you mean blog?" {
		t.Errorf("unknown: %v", err)
	}
	var unknown *UnknownAppError
	if _, err := c.Plan(context.Background(), []string{"blok"}); !errors.As(err, &unknown) {
		t.Errorf("unknown in a plan: %v", err)
	}
	p, err := c.Plan(context.Background(), nil)
	if err != nil || len(p.Apps) != 1 || len(p.Apps[0].Actions) != 0 || p.Apps[0].Why != "as specified" {
		t.Errorf("plan %+v, %v", p, err)
	}
}

// The file of a unix socket stays while its app does, and goes with it.
func TestFilesOfUnixSockets(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog")
	f.Real("shop")
	f.daemon(Options{})
	eventually(t, "both are ready", func() bool { return f.is("blog", "ready")() && f.is("shop", "ready")() })
	c, err := Connect(context.Background(), Options{StateDir: f.State})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	there := func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil
	}
	blog, shop := filepath.Join(f.Root, "blog.sock"), filepath.Join(f.Root, "shop.sock")
	before, err := os.Lstat(blog)
	if err != nil {
		t.Fatal(err)
	}
	if rs, err := c.Restart(context.Background(), []string{"blog"}, nil); err != nil || !rs[0].OK {
		t.Fatalf("%+v, %v", rs, err)
	}
	if after, err := os.Lstat(blog); err != nil || !os.SameFile(before, after) {
		t.Errorf("after a restart: %v, %v", after, err)
	}
	if rs, err := c.Stop(context.Background(), []string{"blog"}, nil); err != nil || !rs[0].OK {
		t.Fatalf("%+v, %v", rs, err)
	}
	if there(blog) {
		t.Error("the socket of a stopped app is there")
	}
	if rs, err := c.Start(context.Background(), []string{"blog"}, nil); err != nil || !rs[0].OK || !there(blog) {
		t.Fatalf("%+v, %v", rs, err)
	}
	// It moves.
	moved := filepath.Join(f.Root, "moved.sock")
	f.Write("blog", strings.ReplaceAll(f.Read("blog"), blog, moved))
	eventually(t, "it listens elsewhere", func() bool { return there(moved) && f.is("blog", "ready")() && !there(blog) })
	f.Remove("blog")
	eventually(t, "its socket goes with it", func() bool { return !there(moved) })
	f.Remove("shop") // not with the other: a directory that loses all at once is damaged
	eventually(t, "no socket is left", func() bool { return !there(shop) })
}

// Sockets that an earlier daemon has left go with the apps that do not run.
func TestSocketsOfAppsThatAreNoMore(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	f.Spec("off", "enabled = false")
	f.Spec("on")
	kept := map[string]map[string]*os.File{}
	for _, n := range []string{"off", "on", "ghost"} {
		kept[n] = map[string]*os.File{"unix:" + filepath.Join(f.Root, n+".sock"): fleettest.Listener(t)}
	}
	var mu sync.Mutex
	told := map[string]int{}
	f.daemon(f.fakeOptions(m), func(d *Daemon) {
		d.Inherited.Kept = kept
		d.Hooks.KeepListeners = func(app string, files map[string]*os.File) {
			mu.Lock()
			defer mu.Unlock()
			told[app] = len(files)
		}
	})
	eventually(t, "the sockets of both are given up", func() bool {
		mu.Lock()
		defer mu.Unlock()
		_, off := told["off"]
		_, ghost := told["ghost"]
		return off && ghost && told["off"] == 0 && told["ghost"] == 0
	})
	if names, _ := (&state.Store{Dir: f.State, FS: afero.NewOsFs()}).Apps(); slices.Contains(names, "ghost") {
		t.Errorf("the store knows %v", names)
	}
}

// A daemon that holds the lock and does not answer is not worked around.
func TestADaemonThatHangs(t *testing.T) {
	f := newFleetDir(t)
	f.Real("blog", "enabled = false")
	d := f.child()
	if err := d.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon is stopped", func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.Process.Pid))
		return err == nil && bytes.Contains(b, []byte(") T "))
	})
	_, err := Connect(context.Background(), Options{StateDir: f.State})
	want := fmt.Sprintf("cannot reach the daemon (pid %d) of state directory %s: it does not answer on its control socket: ", d.Process.Pid, f.State)
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got  %v\nwant %s…", err, want)
	}
}

func TestAThousandFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: thousands of apps")
	}
	const long = 5 * patience // under the race detector it takes minutes on a busy machine
	f := newFleetDir(t)
	m := reconciletest.NewMachine()
	lines := make(chan string, 10000)
	f.daemon(f.fakeOptions(m), func(d *Daemon) {
		d.Hooks.Status = func(l string) {
			select {
			case lines <- l:
			default:
			}
		}
	})
	name := func(i int) string { return fmt.Sprintf("a%04d", i) }
	for i := range 1000 {
		f.Spec(name(i), reconciletest.Count(2))
	}
	eventuallyIn(t, long, "1000 masters", func() bool { return m.Total() == 1000 })
	last := ""
	eventuallyIn(t, long, "the status line counts them", func() bool {
		for {
			select {
			case last = <-lines:
				continue
			default:
			}
			return last == "1000 apps: 1000 ready"
		}
	})
	start := time.Now()
	f.Spec(name(500), reconciletest.Count(3))
	edited := m.Only(t, name(500))
	eventuallyIn(t, long, "the edit is carried out", func() bool { return len(edited.Called()) == 1 })
	t.Logf("one edit among 1000 specs was carried out within %v", time.Since(start))
	for i := range 1000 {
		if ms := m.Only(t, name(i)); i != 500 && len(ms.Called()) != 0 {
			t.Fatalf("%s was touched: %v", name(i), ms.Called())
		}
	}
	// Moved over each other: what counts is what is inside.
	if err := os.Rename(f.File(name(1)), f.File(name(2))); err != nil {
		t.Fatal(err)
	}
	eventuallyIn(t, long, "a0002 is gone", func() bool { return m.Count(name(2)) == 0 })
	if m.Count(name(1)) != 1 || len(m.Only(t, name(1)).Called()) != 0 {
		t.Error("a0001 was touched, though only its file has another name")
	}
	for i := range 1000 {
		if i != 1 && i != 2 {
			f.Remove(name(i))
		}
	}
	eventuallyIn(t, long, "one is left", func() bool { return m.Total() == 1 })
}

// A spec that is missing for an instant is not missed.
func TestAFileWrittenInPlace(t *testing.T) {
	f := newFleetDir(t)
	m := reconciletest.NewMachine()
	f.Spec("blog")
	f.daemon(f.fakeOptions(m), func(d *Daemon) { d.grace = patience }) // this machine may stand still in an instant
	ms := m.Only(t, "blog")
	content, err := os.ReadFile(f.File("blog"))
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if err := os.WriteFile(f.File("blog"), nil, 0o644); err != nil { // empty: no app in it
			t.Fatal(err)
		}
		time.Sleep(60 * time.Millisecond) // longer than the watcher waits: the fleet reads it empty
		if err := os.WriteFile(f.File("blog"), content, 0o644); err != nil {
			t.Fatal(err)
		}
		time.Sleep(60 * time.Millisecond)
	}
	if m.Only(t, "blog") != ms || len(ms.Called()) != 0 {
		t.Errorf("it was touched: %v", ms.Called())
	}
}

func TestSymlinkedSpecs(t *testing.T) {
	f := newFleetDir(t)
	m := reconciletest.NewMachine()
	f.Spec("blog", reconciletest.Count(1))
	available := filepath.Join(f.Root, "available")
	if err := os.Mkdir(available, 0o755); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(available, "blog.hcl")
	if err := os.Rename(f.File("blog"), target); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../available/blog.hcl", f.File("blog")); err != nil {
		t.Fatal(err)
	}
	f.daemon(f.fakeOptions(m), func(d *Daemon) { d.Tick = time.Hour })
	content, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target, bytes.Replace(content, []byte("count = 1"), []byte("count = 5"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the target's edit is carried out", func() bool {
		st, _ := m.Only(t, "blog").Status(context.Background(), 0)
		return st.Max == 5
	})
}
