package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// gateActs are what the operator of TestGateTempest does, and what happens.
var gateActs = []struct {
	name string
	do   func(*gateTempest)
}{
	{"a name is moved", (*gateTempest).moveName},
	{"another name is moved", (*gateTempest).moveName},
	{"a name under a wildcard is moved", (*gateTempest).moveBelow},
	{"an app for all other names", (*gateTempest).changeDefault},
	{"an app is taken out, or put back", (*gateTempest).takeOut},
	{"restart of an app", func(e *gateTempest) { e.ok("restart", e.stays()) }},
	{"restart of the app that sleeps", func(e *gateTempest) { e.ok("restart", "gamma") }},
	{"reload of an app", func(e *gateTempest) { e.ok("reload", e.stays()) }},
	{"kill of a master", func(e *gateTempest) { e.killMaster(e.stays()) }},
	{"kill of the master that sleeps", func(e *gateTempest) { e.killMaster("gamma") }},
	{"kill of the gate", func(e *gateTempest) { e.killGate() }},
	{"kill of the gate, twice", func(e *gateTempest) { e.killGate(); e.killGate() }},
	{"TERM of the gate", func(e *gateTempest) { e.endGate(syscall.SIGTERM) }},
	{"restart of the gate", func(e *gateTempest) { e.ok("restart", theGate) }},
	{"restart and kill of the gate", func(e *gateTempest) { e.inTheMiddle(theGate) }},
	{"restart and kill of an app", func(e *gateTempest) { e.inTheMiddle(e.stays()) }},
	{"kill of the gate and of a master", func(e *gateTempest) { e.killGate(); e.killMaster(e.stays()) }},
	{"kill of the gate and of the daemon", (*gateTempest).killBoth},
	{"the gate is stopped for a moment", (*gateTempest).freezeGate},
	{"upgrade of the daemon", (*gateTempest).upgrade},
	{"kill of the daemon", func(e *gateTempest) { e.daemon.kill(e.t); e.daemon = e.run() }},
	{"certificates are changed", (*gateTempest).certify},
	{"limits are changed", (*gateTempest).changeLimits},
}

// stays is an app that is never taken out.
func (e *gateTempest) stays() string { return tempestApps[e.rand.IntN(2)] }

// apply has the specs carried out, and waits for it.
func (e *gateTempest) apply() {
	e.t.Helper()
	eventually(e.t, patience, "the edits to be carried out", func() error {
		if out := e.fleet("apply"); out.code != 0 {
			return fmt.Errorf("wsgid-fleet apply: %v", out)
		}
		return nil
	})
}

// moveName gives a name to another app, or to none.
func (e *gateTempest) moveName() {
	name := []string{"w1.test", "w2.test"}[e.rand.IntN(2)]
	e.move(name, []string{"alpha", "beta", "gamma", ""}[e.rand.IntN(4)])
}

// moveBelow gives a name to another app than that of its wildcard, or takes it back.
func (e *gateTempest) moveBelow() {
	to := "alpha"
	if e.has["w3.beta.test"] == "alpha" {
		to = "beta"
	}
	e.move("w3.beta.test", to)
}

func (e *gateTempest) move(name, to string) {
	e.t.Helper()
	from := e.has[name]
	if from == to {
		return
	}
	e.note("  %s from %q to %q", name, from, to)
	e.moving(name, to)
	e.has[name] = to
	// As long as two apps have it both are at fault, and stay as they are.
	apps := []string{from, to}
	if e.rand.IntN(2) == 0 {
		apps = []string{to, from}
	}
	for i, app := range apps {
		if app != "" {
			e.spec(app)
		}
		if i == 0 && e.rand.IntN(2) == 0 {
			time.Sleep(time.Duration(e.rand.IntN(100)) * time.Millisecond) // the edits need not come together
		}
	}
	e.apply()
	e.moved(name, to)
}

// changeDefault has an app answer for all names that nobody has, or none.
func (e *gateTempest) changeDefault() {
	app := "beta"
	if e.defaults {
		app = ""
	}
	e.defaults = !e.defaults
	e.moving(nobodysName, app)
	e.front()
	e.apply()
	e.moved(nobodysName, app)
}

// takeOut takes an app out of the directory, or puts it back.
func (e *gateTempest) takeOut() {
	if e.out {
		e.putBack()
		return
	}
	e.out = true
	e.moving("delta.test", "")
	path := filepath.Join(e.specs, "delta.hcl")
	e.must(os.Rename(path, path+".off"))
	e.apply()
	e.moved("delta.test", "")
}

func (e *gateTempest) putBack() {
	e.out = false
	e.moving("delta.test", "delta")
	path := filepath.Join(e.specs, "delta.hcl")
	e.must(os.Rename(path+".off", path))
	e.apply()
	e.moved("delta.test", "delta")
}

// changeLimits edits what a master takes over in place.
func (e *gateTempest) changeLimits() {
	e.limit++
	for _, app := range tempestApps[:3] {
		e.spec(app)
	}
	e.apply()
}

// recorded are the processes of the masters of an app, by their records.
func (e *gateTempest) recorded(app string) (pids []int) {
	files, _ := filepath.Glob(filepath.Join(e.state, "apps", app, "master-*.json"))
	for _, path := range files {
		var m struct{ PID int }
		if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &m) == nil && alive(m.PID) {
			pids = append(pids, m.PID)
		}
	}
	return pids
}

// killMaster kills one of the masters of an app, and waits until it is gone.
func (e *gateTempest) killMaster(app string) {
	if pids := e.recorded(app); len(pids) > 0 {
		e.strike(app, pids[e.rand.IntN(len(pids))], unix.SIGKILL)
	}
}

func (e *gateTempest) killGate() {
	if pids := e.recorded(theGate); len(pids) > 0 {
		e.strike(theGate, pids[e.rand.IntN(len(pids))], unix.SIGKILL)
		time.Sleep(time.Duration(e.rand.IntN(300)) * time.Millisecond) // so long there may be none
	}
}

// inTheMiddle kills a process of an app or of the gate in a moment of a restart.
func (e *gateTempest) inTheMiddle(app string) {
	done := make(chan output, 1)
	go func() {
		defer close(done)
		done <- e.fleet("restart", app)
	}()
	time.Sleep(time.Duration(e.rand.IntN(200)) * time.Millisecond) // the moment is what is tried
	e.killMaster(app)
	<-done // it may have failed: the one that it waited for was killed
}

// killBoth kills gate and daemon, in either order.
func (e *gateTempest) killBoth() {
	kill := []func(){e.killGate, func() { e.daemon.kill(e.t) }}
	first := e.rand.IntN(2)
	kill[first]()
	kill[1-first]()
	e.daemon = e.run()
}

// strike kills a process of an app or of the gate, unless it has gone by itself.
func (e *gateTempest) strike(app string, pid int, signal unix.Signal) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	e.killed(app, func() {
		if unix.PidfdSendSignal(fd, signal, nil, 0) == nil {
			waitEnd(fd)
		}
	})
}

func (e *gateTempest) endGate(signal syscall.Signal) {
	if pid, err := e.gatePID(); err == nil {
		_ = syscall.Kill(pid, signal)
		e.awaitGate(pid)
	}
}

func (e *gateTempest) freezeGate() {
	if pid, err := e.gatePID(); err == nil && syscall.Kill(pid, syscall.SIGSTOP) == nil {
		time.Sleep(time.Duration(e.rand.IntN(300)) * time.Millisecond) // so long it stands still
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
}

// upgrade has the daemon execute itself anew.
func (e *gateTempest) upgrade() {
	e.must(e.daemon.Process.Signal(syscall.SIGUSR2))
	time.Sleep(time.Duration(e.rand.IntN(100)) * time.Millisecond) // what comes next comes in its middle
	e.awaitDaemon(e.daemon)
}
