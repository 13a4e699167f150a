package e2e

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var (
	chaosTime = flag.Duration("chaos.time", 12*time.Second, "how long TestChaos disturbs")
	chaosSeed = flag.Uint64("chaos.seed", 0, "what TestChaos does, in which order; 0: a new seed, printed")
	chaosSkip = flag.String("chaos.skip", "", "a regular expression: disturbances that TestChaos leaves out")
)

// stormApp is one app under load.
type stormApp struct {
	name  string
	addr  string // where clients ask
	m2    bool
	idle  bool // workers.min = 0, and few clients: its master comes and goes
	wide  bool // it listens on all addresses
	count int
	word  int  // the value of GREETING, to be changed
	thr   int  // threads
	extra bool // one more listener
	aside string
}

// requestTimeout is short, so that a worker that was stopped is noticed within
// the storm.
const requestTimeout = 3 * time.Second

// idleTime is how long the idle app keeps a worker, and then its master.
const idleTime = 100 * time.Millisecond

// kill is something that may excuse a lost request.
type kill struct {
	app  string
	what string // killed worker, stopped worker, killed master
	at   time.Time
	gone time.Time // when it was seen to be dead, or stopped
	left int       // how many requests it can still excuse
}

// storm disturbs a fleet under load.
type storm struct {
	*bed
	rand   *rand.Rand
	apps   []*stormApp
	daemon *daemon
	loads  []*Load
	kills  []*kill
	list   []disturbance
	done   map[string]int // disturbances by kind
	diary  diary          // of the storm
}

// disturbance is one thing that happens to a fleet. It returns an error where
// the fleet did not take it as it should.
type disturbance struct {
	name   string
	weight int
	do     func(s *storm, a *stormApp) error
}

var disturbances = []disturbance{
	{"edit of count", 4, func(s *storm, a *stormApp) error { a.count = 1 + s.rand.IntN(4); return s.spec(a) }},
	{"edit of env (rolling)", 4, func(s *storm, a *stormApp) error { a.word++; return s.spec(a) }},
	{"edit of threads (rolling)", 2, func(s *storm, a *stormApp) error { a.thr = 3 - a.thr; return s.spec(a) }},
	{"edit of sockets (replace)", 2, func(s *storm, a *stormApp) error {
		if a.m2 { // mongrel2 itself loses what it holds for a peer that goes
			return s.spec(a)
		}
		a.extra = !a.extra
		return s.spec(a)
	}},
	{"move of a listener on its port (replace)", 2, func(s *storm, a *stormApp) error {
		a.wide = !a.wide
		return s.spec(a)
	}},
	{"broken spec", 3, func(s *storm, a *stormApp) error {
		s.write("wsgid.d/"+a.name+".hcl", "app \""+a.name+"\" {\n  path = \n}\n")
		s.breathe()
		return s.spec(a)
	}},
	{"code that does not import", 3, func(s *storm, a *stormApp) error {
		s.write("wsgid.d/"+a.name+".hcl", strings.Replace(s.text(a), ":application", "_that_is_not_there:application", 1))
		s.breathe()
		return s.spec(a)
	}},
	{"reload", 4, func(s *storm, a *stormApp) error { return s.try("reload", a.name) }},
	{"restart", 2, func(s *storm, a *stormApp) error {
		if a.m2 { // as with sockets
			return nil
		}
		return s.try("restart", a.name)
	}},
	{"scale", 2, func(s *storm, a *stormApp) error {
		return s.try("scale", fmt.Sprintf("%s=%d", a.name, 1+s.rand.IntN(4)))
	}},
	{"stop and start of another app", 2, func(s *storm, _ *stormApp) error {
		if err := s.try("stop", "bystander"); err != nil {
			return err
		}
		return s.try("start", "bystander")
	}},
	{"removal and return of another app", 2, func(s *storm, _ *stormApp) error {
		path := filepath.Join(s.specs, "bystander.hcl")
		if err := os.Rename(path, path+".bak"); err != nil {
			return err
		}
		s.breathe()
		return os.Rename(path+".bak", path)
	}},
	{"kill -9 of a worker", 5, func(s *storm, a *stormApp) error { return s.strike(a, "killed worker", syscall.SIGKILL) }},
	{"SIGSTOP of a worker", 1, func(s *storm, a *stormApp) error { return s.strike(a, "stopped worker", syscall.SIGSTOP) }},
	{"kill -9 of a master", 2, func(s *storm, a *stormApp) error { return s.strike(a, "killed master", syscall.SIGKILL) }},
	{"SIGSTOP of a master for a while", 1, func(s *storm, a *stormApp) error {
		app, err := s.app(a.name)
		if err != nil || app.Master == nil {
			return err
		}
		return s.freeze(app.Master.PID)
	}},
	{"kill -9 of the daemon", 3, func(s *storm, _ *stormApp) error {
		s.daemon.kill(s.t)
		s.breathe()
		s.daemon = s.run()
		return nil
	}},
	{"SIGSTOP of the daemon for a while", 1, func(s *storm, _ *stormApp) error { return s.freeze(s.daemon.Process.Pid) }},
	{"upgrade of the daemon (USR2)", 2, func(s *storm, _ *stormApp) error { return s.daemon.Process.Signal(syscall.SIGUSR2) }},
	{"damage to a folder", 3, func(s *storm, a *stormApp) error { return s.damage(a) }},
}

// TestChaos is the storm: short in make test, an hour in make chaos. Only a
// request that was inside something killed may be lost.
func TestChaos(t *testing.T) {
	who := account{name: "user"}
	if os.Geteuid() == 0 {
		who = account{name: "root", apps: credential(t, "www-data")}
	}
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: make chaos SEED=%[1]d CHAOS_TIME=%v repeats it", seed, *chaosTime)
	skip, err := regexp.Compile(*chaosSkip)
	if err != nil {
		t.Fatal(err)
	}
	s := &storm{bed: newBed(t, who), rand: rand.New(rand.NewPCG(seed, 0)), list: disturbances, done: map[string]int{}}
	if *chaosSkip != "" {
		s.list = slices.DeleteFunc(slices.Clone(s.list), func(d disturbance) bool { return skip.MatchString(d.name) })
	}
	s.setUp()
	for end := time.Now().Add(*chaosTime); time.Now().Before(end) && !t.Failed(); {
		s.disturb()
	}
	s.settle()
	s.report()
}

// setUp starts a daemon, four apps under load and one that stands by.
func (s *storm) setUp() {
	s.t.Helper()
	s.only()
	for _, name := range []string{"alpha", "idler", "beta", "bystander"} {
		folder := filepath.Join(s.demo, "apps", name)
		s.must(os.CopyFS(folder, os.DirFS(filepath.Join(s.demo, "apps/hello"))))
		for _, dir := range []string{folder, filepath.Join(folder, "app")} {
			if s.who.apps != nil {
				s.must(os.Chown(dir, int(s.who.apps.Uid), int(s.who.apps.Gid)))
			}
		}
		a := &stormApp{name: name, addr: freePort(s.t), count: 2, thr: 1, aside: freePort(s.t)}
		s.must(s.spec(a))
		if name != "bystander" {
			s.apps = append(s.apps, a)
		}
	}
	s.apps[1].idle = true
	s.must(s.spec(s.apps[1]))
	m2 := &stormApp{name: "m2", addr: s.m2, m2: true, count: 2, thr: 1}
	s.apps = append(s.apps, m2)
	s.must(s.spec(m2))
	s.startMongrel2()
	s.daemon = s.run()
	eventually(s.t, 60*time.Second, "every app to be ready", s.allReady)
	for _, a := range s.apps {
		for _, keep := range []bool{true, false} {
			l := &Load{App: a.name, Addr: a.addr, Connections: 2, KeepAlive: keep, Pause: 2 * time.Millisecond}
			if a.idle {
				l.Connections, l.KeepAlive, l.Pause = 1, false, 3*idleTime
			}
			if a.m2 {
				l.Timeout = 12 * time.Second
			}
			s.loads = append(s.loads, l)
			l.Start()
		}
	}
}

// text is the app's spec as it should be now.
func (s *storm) text(a *stormApp) string {
	listen := a.addr
	if a.wide {
		_, port, _ := strings.Cut(a.addr, ":")
		listen = "0.0.0.0:" + port
	}
	module, sockets := "hello", fmt.Sprintf("    http {\n      listen = %q\n    }\n", listen)
	number := fmt.Sprintf("count           = %d", a.count)
	if a.idle {
		number = fmt.Sprintf("min             = 0\n    max             = %d\n    idle_timeout    = %q", a.count, idleTime)
	}
	switch {
	case a.m2:
		module = "m2"
		conf, err := os.ReadFile(filepath.Join(s.demo, "mongrel2/mongrel2.conf"))
		s.must(err)
		sockets = fmt.Sprintf("    mongrel2 {\n      recv = %q\n      send = %q\n    }\n",
			between(string(conf), "send_spec='", "'"), between(string(conf), "recv_spec='", "'"))
	case a.extra:
		sockets += fmt.Sprintf("    http {\n      listen = %q\n    }\n", a.aside)
	}
	return fmt.Sprintf(`app %q {
  wsgi_app = "%s:application"
  env      = { GREETING = "Word %d" }

  sockets {
%s  }

  workers {
    %s
    threads         = %d
    request_timeout = %q
  }

  restart {
    min_delay = "100ms"
    max_delay = "1s"
  }
}
`, a.name, module, a.word, sockets, number, a.thr, requestTimeout)
}

func between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	word, _, _ := strings.Cut(rest, after)
	return word
}

func (s *storm) spec(a *stormApp) error {
	s.write("wsgid.d/"+a.name+".hcl", s.text(a))
	return nil
}

// try runs a command. It may be refused for a while, when the daemon has just
// been killed.
func (s *storm) try(command string, args ...string) error {
	return wait(20*time.Second, func() error {
		if out := s.fleet(command, args...); out.code != 0 {
			return fmt.Errorf("wsgid-fleet %s %v: %v", command, args, out)
		}
		return nil
	})
}

func (s *storm) breathe() {
	time.Sleep(time.Duration(20+s.rand.IntN(400)) * time.Millisecond)
}

// strike sends a signal to one worker, or to the master, of an app.
func (s *storm) strike(a *stormApp, what string, signal syscall.Signal) error {
	app, err := s.app(a.name)
	if err != nil || app.Master == nil || len(app.Workers) == 0 {
		return err
	}
	// As many connections as its clients have, twice: one whose connection went
	// first may have asked anew before the kernel was done with the process.
	pid, left := app.Master.PID, 8
	if what != "killed master" {
		pid, left = app.Workers[s.rand.IntN(len(app.Workers))].PID, 2 // as many threads as a worker can have
	}
	k := &kill{app: a.name, what: what, at: time.Now(), left: left}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil //nolint:nilerr // it has gone by itself
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil {
		return nil //nolint:nilerr // likewise
	}
	s.diary.note("  %s %d of %s", what, pid, a.name)
	if signal == syscall.SIGKILL {
		// It still takes requests: the kernel needs a moment, and its first thread
		// is a zombie before the others have ended. The pidfd tells of the last.
		waitEnd(fd)
	} else {
		for running(pid) {
			time.Sleep(100 * time.Microsecond)
		}
	}
	k.gone = time.Now()
	s.diary.note("  it is gone: %v after %v", k.gone.Sub(k.at), k.at.Format(clock))
	s.kills = append(s.kills, k)
	return nil
}

// waitEnd waits until the process of a pidfd has ended.
func waitEnd(pidfd int) {
	p := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(p, 10_000); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// freeze stops a process and lets it go on.
func (s *storm) freeze(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return nil //nolint:nilerr // it went by itself
	}
	s.diary.note("  stopped %d", pid)
	s.breathe()
	syscall.Kill(pid, syscall.SIGCONT) // it may have been ended
	return nil
}

// damage spoils the app folder in one of the ways that repair puts right.
func (s *storm) damage(a *stormApp) error {
	folder := filepath.Join(s.demo, "apps", a.name)
	switch s.rand.IntN(5) {
	case 0:
		return os.RemoveAll(filepath.Join(folder, "plugins"))
	case 1:
		return os.RemoveAll(filepath.Join(folder, "pid"))
	case 2:
		return os.WriteFile(filepath.Join(folder, "wsgid.json"), []byte("{"), 0o644)
	case 3: // the pid of somebody else: ours
		dir := filepath.Join(folder, "pid/worker")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.pid", os.Getpid())), fmt.Appendln(nil, os.Getpid()), 0o644)
	default:
		return os.Chmod(filepath.Join(folder, "logs"), 0)
	}
}

// disturb does one thing, chosen by the seed, and now and then waits until
// all is well again.
func (s *storm) disturb() {
	s.t.Helper()
	total := 0
	for _, d := range s.list {
		total += d.weight
	}
	n := s.rand.IntN(total)
	app := s.apps[s.rand.IntN(len(s.apps))]
	for _, d := range s.list {
		if n -= d.weight; n >= 0 {
			continue
		}
		s.diary.note("%s (%s)", d.name, app.name)
		if err := d.do(s, app); err != nil {
			s.t.Errorf("%s (%s): %v", d.name, app.name, err)
		}
		s.done[d.name]++
		break
	}
	s.breathe()
	if s.rand.IntN(3) == 0 {
		s.heal()
	}
}

func (s *storm) heal() {
	s.t.Helper()
	eventually(s.t, 60*time.Second, "every app to be ready again", s.allReady)
}

// settle puts everything right, checks that the fleet comes to rest as the
// specs say, and ends the load.
func (s *storm) settle() {
	s.t.Helper()
	for _, a := range s.apps {
		a.word++
		s.must(s.spec(a))
	}
	s.heal()
	for _, a := range s.apps {
		if !a.idle {
			s.await(a.name, "ready", a.count)
		}
		wantAnswer(s.t, a.addr, "/end", "/end\n")
	}
}

// report ends the load and holds every lost request against what was killed.
func (s *storm) report() {
	s.t.Helper()
	var sum Counts
	for _, l := range s.loads {
		c := l.Stop()
		sum.Sent += c.Sent
		sum.Good += c.Good
		sum.Lost = append(sum.Lost, c.Lost...)
	}
	excused := map[string]int{}
	for _, l := range sum.Lost {
		if why := s.excuse(l); why != "" {
			excused[why]++
		} else {
			s.t.Errorf("lost without an excuse: %v\n%s", l, s.around(l))
		}
	}
	var b strings.Builder
	count := 0
	b.WriteString("\n| disturbance | times |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(s.done)) {
		fmt.Fprintf(&b, "| %s | %d |\n", name, s.done[name])
		count += s.done[name]
	}
	fmt.Fprintf(&b, "| all | %d |\n\n| requests | |\n|---|---|\n| sent | %d |\n| answered well | %d |\n", count, sum.Sent, sum.Good)
	all := 0
	for _, why := range slices.Sorted(maps.Keys(excused)) {
		fmt.Fprintf(&b, "| lost: %s | %d |\n", why, excused[why])
		all += excused[why]
	}
	fmt.Fprintf(&b, "| lost otherwise | %d |\n", len(sum.Lost)-all)
	s.t.Log(b.String())
}

// excuse names what was killed with the request inside; empty: nothing was.
func (s *storm) excuse(l Lost) string {
	for _, k := range s.kills {
		if k.app != l.App || k.left == 0 || k.at.After(l.Until) {
			continue
		}
		fits := false
		switch k.what {
		case "killed worker":
			fits = l.Cause == "status 502" && !k.gone.Before(l.Since)
		case "stopped worker":
			// It takes its next request after it was stopped.
			fits = (l.Cause == "status 504" || l.Cause == "status 502") && l.Since.Sub(k.at) < 2*requestTimeout
		case "killed master":
			fits = !k.gone.Before(l.Since) && slices.Contains([]Cause{Reset, Closed, Cut, TimedOut}, l.Cause)
			// mongrel2 hands requests to a master that is gone until it has
			// noticed, and drops them.
			fits = fits || l.App == "m2" && l.Cause == TimedOut && l.Since.Sub(k.at) < time.Second
		}
		if fits {
			k.left--
			return fmt.Sprintf("inside a %s (%s)", k.what, l.Cause)
		}
	}
	return ""
}
