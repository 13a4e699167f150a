package fleet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
)

// master answers with the pid of its worker's parent.
const masterCode = `
import os
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getppid()).encode()]
`

func idleFor(d string) string {
	return fmt.Sprintf("workers {\n    min = 0\n    max = 2\n    idle_timeout = %q\n  }", d)
}

// newIdleFleet has one app, blog, that needs no worker for so long without requests.
func newIdleFleet(t *testing.T, idle string, lines ...string) *fleetDir {
	t.Helper()
	f := newFleetDir(t)
	f.EndMasters()
	f.App("blog", masterCode)
	f.Spec("blog", append([]string{`wsgi_app = "m:app"`, idleFor(idle)}, lines...)...)
	return f
}

// asleep tells whether blog is idle and has no master.
func (f *fleetDir) asleep() bool {
	a := f.status("blog")
	return a.State == "idle" && a.Master == nil && a.Reason == "no master runs; the first connection starts it"
}

// waitGone waits for the end of a process.
func waitGone(t *testing.T, pid string) {
	t.Helper()
	eventually(t, "the process is gone", func() bool {
		_, err := os.Stat(filepath.Join("/proc", pid))
		return err != nil
	})
}

// An app that nobody asks has no master: not at first, and not after a while.
// Each first connection starts one.
func TestAnIdleAppHasNoMaster(t *testing.T) {
	f := newIdleFleet(t, "50ms")
	stop := f.daemon(Options{})
	if !f.asleep() {
		t.Fatalf("at first: %+v", f.status("blog"))
	}
	seen := map[string]bool{}
	for range 3 {
		body, err := f.get("blog")
		if err != nil || seen[body] {
			t.Fatalf("master %q answers, %v", body, err)
		}
		seen[body] = true
		eventually(t, "its master goes", f.asleep)
		waitGone(t, body)
	}
	c, err := Connect(context.Background(), Options{StateDir: f.State})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	plan, err := c.Plan(context.Background(), nil)
	if err != nil || len(plan.Apps) != 1 || len(plan.Apps[0].Actions) != 0 {
		t.Errorf("plan %+v, %v", plan, err)
	}
	rs, err := c.Apply(context.Background(), nil, nil)
	if err != nil || !rs[0].OK || rs[0].State != "idle" {
		t.Errorf("apply %+v, %v", rs, err)
	}
	// A spec that wants workers gets them, and the other way round.
	f.Spec("blog", `wsgi_app = "m:app"`, reconciletest.Count(1))
	eventually(t, "it is ready", f.is("blog", "ready"))
	f.Spec("blog", `wsgi_app = "m:app"`, idleFor("50ms"))
	eventually(t, "its master goes", f.asleep)
	// Stopped, nobody waits for it.
	if rs, err := c.Stop(context.Background(), []string{"blog"}, nil); err != nil || !rs[0].OK {
		t.Fatalf("%+v, %v", rs, err)
	}
	if _, err := f.get("blog"); err == nil {
		t.Error("a stopped app answers")
	}
	if rs, err := c.Start(context.Background(), []string{"blog"}, nil); err != nil || !rs[0].OK || !f.asleep() {
		t.Fatalf("%+v, %v", rs, err)
	}
	if _, err := f.get("blog"); err != nil {
		t.Error(err)
	}
	stop()
	if _, err := f.get("blog"); err == nil {
		t.Error("the daemon is gone, and the app answers")
	}
}

// A spec that does not work takes no app down that sleeps: whoever comes next is
// answered by the spec before, also when its master is killed, and it is told.
func TestABadEditWhileItSleeps(t *testing.T) {
	f := newIdleFleet(t, "50ms")
	f.daemon(Options{})
	if _, err := f.get("blog"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its master goes", f.asleep)
	f.Spec("blog", `wsgi_app = "m:missing"`, idleFor("50ms"))
	for range 2 {
		var body string
		var pid int
		eventually(t, "it says why", func() bool {
			var err, perr error
			body, err = f.get("blog")
			if pid, perr = strconv.Atoi(body); err != nil || perr != nil {
				t.Fatalf("%q, %v", body, err)
			}
			a := f.status("blog")
			return a.State == "degraded" && strings.Contains(a.Reason, "module m has no attribute missing")
		})
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH { // it may be asleep again
			t.Fatal(err)
		}
		waitGone(t, body)
	}
	f.Spec("blog", `wsgi_app = "m:app"`, idleFor("50ms"), "debug = true")
	if _, err := f.get("blog"); err != nil {
		t.Error(err)
	}
	eventually(t, "it is well, and sleeps", f.asleep)
}

// Who asks for the health of an app whose master is let go again and again gets it.
func TestHealthOfAnAppThatSleeps(t *testing.T) {
	f := newIdleFleet(t, "1ms")
	var d *Daemon
	f.daemon(Options{}, func(x *Daemon) { d = x })
	for i := range 10 {
		if i%2 == 1 { // so that its master is about to go
			if _, err := f.get("blog"); err != nil {
				t.Fatal(err)
			}
		}
		if note, err := d.operations().health(context.Background(), "blog"); err != nil || note != "1 of 1 workers are ready" {
			t.Fatalf("round %d: %q, %v", i, note, err)
		}
	}
	eventually(t, "its master goes", f.asleep)
}

// Masters come and go in the midst of requests, and each is answered.
func TestNothingIsLostBetweenMasters(t *testing.T) {
	f := newIdleFleet(t, "1ms")
	var kept keptLog
	f.daemon(Options{Dir: f.Dir, StateDir: f.State, Log: kept.logger()})
	var mu sync.Mutex
	masters := map[string]bool{}
	n := 0
	stop := underLoad(2, func() (string, error) {
		mu.Lock()
		n++
		wait := time.Duration(n%12) * 5 * time.Millisecond // about as long as a master takes to go
		mu.Unlock()
		time.Sleep(wait)
		body, err := f.get("blog")
		if _, perr := strconv.Atoi(body); err == nil && perr == nil {
			mu.Lock()
			masters[body] = true
			mu.Unlock()
			return "hello", nil
		}
		return body, err
	})
	// Ten of them, on a busy machine fewer.
	begun := time.Now()
	eventually(t, "masters have come and gone", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(masters) >= 10 || len(masters) >= 3 && time.Since(begun) > 20*time.Second
	})
	good, bad := stop()
	t.Logf("%d answers by %d masters", good, len(masters))
	if len(bad) > 0 {
		t.Errorf("%d good answers, %d lost: %v", good, len(bad), bad)
	}
	// A master that goes as it has nothing to do has not died, whoever comes meanwhile.
	if kept.has("master died")() {
		t.Errorf("the log is\n%s", kept.String())
	}
}

// A daemon that is killed while apps are idle takes none of their sockets with
// it: who connects waits for the next daemon, or for a command without one.
func TestIdleAppsOutliveTheDaemon(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	for _, n := range []string{"blog", "shop", "wiki"} {
		f.App(n, masterCode)
		f.Spec(n, `wsgi_app = "m:app"`, idleFor("50ms"))
	}
	t.Cleanup(func() {
		if pid := f.holderPID(); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	d := f.child()
	if f.holderPID() == 0 {
		t.Fatal("nobody holds the sockets")
	}
	ask := func(name string) chan error {
		done := make(chan error, 1)
		go func() {
			_, err := f.get(name)
			done <- err
		}()
		return done
	}
	kill := func() {
		t.Helper()
		if err := d.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = d.Wait()
	}
	// Its socket is swept away: another holder is found at its place, before the
	// daemon is killed.
	was := f.holderPID()
	if err := os.Remove(sockets.HolderPath(f.State)); err != nil {
		t.Fatal(err)
	}
	f.Write("blog", f.Read("blog")+"\n") // a hint, so that the tick is not waited for
	within(t, "another holder", func() bool {
		_, err := os.Stat("/proc/" + strconv.Itoa(was))
		return err != nil && sockets.SocketID(sockets.HolderPath(f.State)) != "" && f.holderPID() != 0
	})
	// An app that was awake, and one that is asleep.
	if err := <-ask("shop"); err != nil {
		t.Fatal(err)
	}
	kill()
	waiting := []chan error{ask("blog"), ask("shop"), ask("blog")}
	d = f.child()
	for _, w := range waiting {
		if err := <-w; err != nil {
			t.Error(err)
		}
	}
	eventually(t, "both are idle again", func() bool {
		return f.status("blog").Master == nil && f.status("shop").Master == nil
	})
	// Without a daemon a command takes up what its apps have.
	kill()
	waiting = []chan error{ask("blog")}
	op, err := Connect(context.Background(), Options{Dir: f.Dir, StateDir: f.State})
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	rs, err := op.Start(context.Background(), []string{"blog"}, nil)
	if err != nil || !rs[0].OK {
		t.Fatalf("%+v, %v", rs, err)
	}
	if err := <-waiting[0]; err != nil {
		t.Error(err)
	}
	if rs, err := op.Stop(context.Background(), []string{"wiki"}, nil); err != nil || !rs[0].OK {
		t.Fatalf("%+v, %v", rs, err)
	}
	if _, err := f.get("wiki"); err == nil {
		t.Error("a stopped app answers")
	}
	// It ends with the daemon that ends in peace.
	d = f.child()
	if err := <-ask("shop"); err != nil {
		t.Error(err)
	}
	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = d.Wait()
	eventually(t, "nobody holds anything", func() bool { return f.holderPID() == 0 })
}

// holderPID finds who holds sockets of this fleet; 0: nobody.
func (f *fleetDir) holderPID() int {
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err == nil && strings.HasPrefix(string(b), sockets.HolderName+f.State+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			return pid
		}
	}
	return 0
}

// Who has come to a socket that an idle app no longer listens on is served all
// the same.
func TestAnIdleAppMovesWithItsClients(t *testing.T) {
	t.Run("no master runs", func(t *testing.T) { testMovesWithItsClients(t, false) })
	// As when the daemon is killed while it starts the master for them.
	t.Run("a master runs", func(t *testing.T) { testMovesWithItsClients(t, true) })
}

func testMovesWithItsClients(t *testing.T, running bool) {
	f := newIdleFleet(t, "50ms")
	if running {
		f.Spec("blog", `wsgi_app = "m:app"`, idleFor("100ms"))
		d := f.child()
		eventually(t, "its master runs", func() bool {
			_, err := f.get("blog")
			return err == nil && f.status("blog").Master != nil
		})
		if err := d.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = d.Wait()
	}
	left := fleettest.Listener(t)
	at, err := sockets.BoundTo(left)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan error, 3)
	for range cap(answers) {
		c, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() {
			_, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: blog\r\n\r\n")
			if err == nil {
				_ = c.SetReadDeadline(time.Now().Add(patience))
				var resp *http.Response
				if resp, err = http.ReadResponse(bufio.NewReader(c), nil); err == nil {
					_ = resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						err = errors.New(resp.Status)
					}
				}
			}
			answers <- err
		}()
	}
	f.daemon(Options{}, func(d *Daemon) {
		d.Inherited.Kept = map[string]map[string]*os.File{"blog": {at.String(): left}}
	})
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if _, err := f.get("blog"); err != nil {
		t.Error(err)
	}
	eventually(t, "the old socket is closed", func() bool {
		c, err := net.Dial("tcp", at.String())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// What keeps a master from starting is told and tried again, while the
// connection waits.
func TestAnIdleAppThatCannotStart(t *testing.T) {
	f := newIdleFleet(t, "50ms", reconciletest.RestartFast)
	f.daemon(Options{})
	eventually(t, "it is idle", f.is("blog", "idle"))
	// Its state directory takes no socket.
	blocked := filepath.Join(f.Path("blog"), "logs")
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(blocked, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	answer := make(chan string, 1)
	go func() {
		body, err := f.get("blog")
		answer <- fmt.Sprint(body, err)
	}()
	eventually(t, "it says why", func() bool {
		a := f.status("blog")
		return a.State == "backoff" && strings.Contains(a.Reason, "logs")
	})
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; !strings.HasSuffix(got, "<nil>") {
		t.Errorf("the client got %s", got)
	}
}

// A port that somebody else has is told at once, not at the first request.
func TestAnIdleAppWhosePortIsTaken(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f.Write("blog", fmt.Sprintf("app \"blog\" {\n  path = %q\n  sockets {\n    http {\n      listen = %q\n    }\n  }\n  %s\n}\n", f.Path("blog"), ln.Addr(), idleFor("1s")+"\n  restart {\n    min_delay = \"1h\"\n    max_delay = \"1h\"\n  }"))
	f.daemon(f.fakeOptions(m))
	a := f.status("blog")
	want := fmt.Sprintf("cannot listen on %s: the port is taken by another process (ss -ltnp shows which); next try in ", ln.Addr())
	if a.State != "backoff" || !strings.HasPrefix(a.Reason, want) {
		t.Errorf("%s: %s", a.State, a.Reason)
	}
}
