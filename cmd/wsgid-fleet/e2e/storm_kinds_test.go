package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

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
	{"kill -9 of a worker", 5, func(s *storm, a *stormApp) error { return s.strike(a, killedWorker, syscall.SIGKILL) }},
	{"SIGSTOP of a worker", 1, func(s *storm, a *stormApp) error { return s.strike(a, stoppedWorker, syscall.SIGSTOP) }},
	{"kill -9 of a master", 2, func(s *storm, a *stormApp) error { return s.strike(a, killedMaster, syscall.SIGKILL) }},
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
		s.start()
		return nil
	}},
	{"SIGSTOP of the daemon for a while", 1, func(s *storm, _ *stormApp) error { return s.freeze(s.daemon.Process.Pid) }},
	{"upgrade of the daemon (USR2)", 2, func(s *storm, _ *stormApp) error { return s.daemon.Process.Signal(syscall.SIGUSR2) }},
	{"damage to a folder", 3, func(s *storm, a *stormApp) error { return s.damage(a) }},
	{"kill -9 of the gate", 4, func(s *storm, _ *stormApp) error { return s.strikeGate(syscall.SIGKILL) }},
	{"TERM of the gate", 2, func(s *storm, _ *stormApp) error { return s.strikeGate(syscall.SIGTERM) }},
	{"restart of the gate", 2, func(s *storm, _ *stormApp) error { return s.try("restart", "_gate") }},
	{"SIGSTOP of the gate for a while", 1, func(s *storm, _ *stormApp) error {
		pid, err := s.gateNow()
		if err != nil {
			return err
		}
		return s.freeze(pid)
	}},

	// What comes in the middle of something else.
	{"kill -9 of gate and daemon", 3, func(s *storm, _ *stormApp) error { return s.killBoth() }},
	{"restart and kill -9 of the gate", 2, func(s *storm, _ *stormApp) error { return s.restartGateKilled() }},
	{"USR2 and TERM of the daemon", 2, func(s *storm, _ *stormApp) error { return s.upgradeThen(syscall.SIGTERM) }},
	{"USR2 and HUP of the daemon", 2, func(s *storm, _ *stormApp) error { return s.upgradeThen(syscall.SIGHUP) }},
	{"USR2 and USR2 of the daemon", 2, func(s *storm, _ *stormApp) error { return s.upgradeThen(syscall.SIGUSR2) }},
	{"kill -9 of the holder, then of the daemon", 2, func(s *storm, _ *stormApp) error { return s.killHolder() }},
	{"expired holder", 1, func(s *storm, _ *stormApp) error { return s.outlastHolder() }},
	{"kill -9 of the master that hands over", 2, func(s *storm, a *stormApp) error { return s.cutHandover(a, true) }},
	{"kill -9 of the master that takes over", 2, func(s *storm, a *stormApp) error { return s.cutHandover(a, false) }},
	{"HTTPS while one master goes and one comes", 2, func(s *storm, _ *stormApp) error { return s.shakeHands() }},
	{"failing health block, taken out later", 2, func(s *storm, a *stormApp) error { return s.fallIll(a) }},
	{"reload overtaken by an edit", 2, func(s *storm, a *stormApp) error { return s.overtake("reload", a) }},
	{"restart overtaken by an edit", 2, func(s *storm, a *stormApp) error { return s.overtake("restart", a) }},
	{"restart and kill -9 of the master", 2, func(s *storm, a *stormApp) error { return s.restartKilled(a) }},
	{"stop that meets an error, then start", 2, func(s *storm, _ *stormApp) error { return s.stopBadly() }},
}

// errMoot is returned by a disturbance that found nothing to disturb.
var errMoot = errors.New("nothing to disturb")

// deck deals disturbances, as often as they weigh, in an order that the seed
// gives: all have come before it begins anew.
type deck struct {
	rand *rand.Rand
	all  []disturbance
	left []disturbance
}

func newDeck(seed uint64, list []disturbance) *deck {
	d := &deck{rand: rand.New(rand.NewPCG(seed, 1))}
	for _, one := range list {
		for range one.weight {
			d.all = append(d.all, one)
		}
	}
	return d
}

// next is what comes next, and which of so many apps it meets.
func (d *deck) next(apps int) (disturbance, int) {
	if len(d.left) == 0 {
		d.left = slices.Clone(d.all)
		d.rand.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	one := d.left[0]
	d.left = d.left[1:]
	return one, d.rand.IntN(apps)
}

// TestStormDeals holds every kind of disturbance to be among what any seed picks.
func TestStormDeals(t *testing.T) {
	weight := 0
	for _, d := range disturbances {
		weight += d.weight
	}
	for seed := range uint64(20) {
		one, again := newDeck(seed, disturbances), newDeck(seed, disturbances)
		count := map[string]int{}
		for range weight {
			d, app := one.next(5)
			if e, other := again.next(5); e.name != d.name || other != app {
				t.Fatalf("seed %d picks %s for app %d, and then %s for app %d", seed, d.name, app, e.name, other)
			}
			count[d.name]++
		}
		for _, d := range disturbances {
			if count[d.name] != d.weight || d.weight == 0 {
				t.Errorf("seed %d picks %q %d times of %d, want %d", seed, d.name, count[d.name], weight, d.weight)
			}
		}
	}
}

// strike sends a signal to one worker, or to the master, of an app.
func (s *storm) strike(a *stormApp, what string, signal syscall.Signal) error {
	app, err := s.app(a.name)
	if err != nil || app.Master == nil || len(app.Workers) == 0 {
		return err
	}
	pid := app.Master.PID
	if what != killedMaster {
		pid = app.Workers[s.rand.IntN(len(app.Workers))].PID
	}
	s.hit(a, what, pid, signal)
	return nil
}

// hit sends a signal to one process of an app. It may have gone by itself.
func (s *storm) hit(a *stormApp, what string, pid int, signal syscall.Signal) {
	// As many connections as its clients have, by the gate and not, twice: one whose connection went
	// first may have asked anew before the kernel was done with the process.
	left := 24
	if what != killedMaster {
		left = 2 // as many threads as a worker can have
	}
	k := &kill{app: a.name, what: what, at: time.Now(), left: left}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if unix.PidfdSendSignal(fd, signal, nil, 0) != nil {
		return
	}
	s.diary.note("  %s %d of %s", what, pid, a.name)
	if signal == syscall.SIGKILL {
		// It still takes requests: the kernel needs a moment, and its first thread
		// is a zombie before the others have ended. The pidfd tells of the last.
		waitEnd(fd)
	} else {
		await.Until(patience, 100*time.Microsecond, func() bool { return !running(pid) })
	}
	k.gone = time.Now()
	s.diary.note("  it is gone: %v after %v", k.gone.Sub(k.at), k.at.Format(clock))
	s.kills = append(s.kills, k)
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
