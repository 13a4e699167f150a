package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// atRest is what is there of a gate and its apps while nobody asks.
type atRest struct {
	processes   []string            // of all, by what they call themselves
	descriptors map[string][]string // of the gate, the daemon and the masters that stay
	memory      map[string]int      // KiB
}

// calm waits until nothing is under way, and asks for each name in each way.
func (e *gateTempest) calm() {
	e.t.Helper()
	e.apply()
	e.awaitGate(0)
	for _, name := range slices.Compact(slices.Sorted(slices.Values(tempestNames))) {
		owner := e.has[name]
		for _, secure := range []bool{false, true} {
			eventually(e.t, patience, name+" to be answered", func() error {
				addr, what := e.plain, "HTTP"
				if secure {
					addr, what = e.secure, "TLS"
				}
				status, text, err := e.ask(addr, name, secure)
				if owner == "" && (status == 421 || secure && err != nil && strings.Contains(err.Error(), "unrecognized name")) {
					return nil
				}
				if err != nil {
					return fmt.Errorf("seed %d: in the calm, by %s: %w; want %q", e.seed, what, err, owner)
				}
				if status != 200 || !strings.HasPrefix(text, owner+" ") {
					return fmt.Errorf("seed %d: in the calm, by %s: %d %q; want %q", e.seed, what, status, text, owner)
				}
				return nil
			})
		}
	}
	eventually(e.t, patience, "gate and apps to have nothing under way", e.idle)
}

// ask asks once, by a connection of its own.
func (e *gateTempest) ask(addr, name string, secure bool) (int, string, error) {
	var c net.Conn
	var err error
	if secure {
		trust := e.ca.trust(name)
		trust.InsecureSkipVerify = true
		c, err = greet(e.t, addr, trust)
	} else {
		c, err = (&net.Dialer{Timeout: patience}).DialContext(e.t.Context(), "tcp", addr)
	}
	if err != nil {
		return 0, "", err
	}
	defer c.Close()
	status, text := visitOn(e.t, c, bufio.NewReader(c), name)
	return status, text, nil
}

// idle tells what is still under way.
func (e *gateTempest) idle() error {
	out := e.fleet("status", "-o", "json")
	var s struct {
		Gate struct {
			State string
			Gate  struct{ Reading, Waiting int }
		}
		Apps []struct {
			Name, State string
			Master      *struct{ PID int }
			Requests    struct{ Active, Queued int }
		}
	}
	if err := json.Unmarshal([]byte(out.stdout), &s); err != nil {
		return fmt.Errorf("status -o json: %w: %v", err, out)
	}
	if s.Gate.State != "ready" || s.Gate.Gate.Reading != 0 || s.Gate.Gate.Waiting != 0 {
		return fmt.Errorf("the gate: %+v", s.Gate)
	}
	for _, a := range s.Apps {
		asleep := a.Name == "gamma"
		if a.Requests.Active+a.Requests.Queued > 0 || !asleep && a.State != "ready" || asleep && (a.State != "idle" || a.Master != nil) || len(s.Apps) != len(tempestApps) {
			return fmt.Errorf("%d apps: %+v", len(s.Apps), a)
		}
	}
	for _, p := range processesOf(e.dir) {
		if strings.HasPrefix(p.args, "wsgid: master gamma ") {
			return fmt.Errorf("%v is about to end", p)
		}
	}
	return nil
}

var numbers = regexp.MustCompile(`[0-9]+`)

// look is what is there now.
func (e *gateTempest) look() (l atRest) {
	l.descriptors, l.memory = map[string][]string{}, map[string]int{}
	for _, p := range processesOf(e.dir) {
		l.processes = append(l.processes, strings.TrimSpace(numbers.ReplaceAllString(p.args, "N")))
	}
	slices.Sort(l.processes)
	for what, pid := range e.lasting() {
		l.descriptors[what], l.memory[what] = e.linksOf(pid), pss(e.t, pid)
	}
	return l
}

// lasting are the processes that are there while nobody asks.
func (e *gateTempest) lasting() map[string]int {
	all := map[string]int{"daemon": e.daemon.Process.Pid}
	for _, app := range append([]string{theGate}, tempestApps...) {
		if pids := e.recorded(app); len(pids) > 0 {
			all[app] = pids[0]
		}
	}
	return all
}

const (
	moreDescriptors = 8        // what is kept for the next connection may be more
	moreMemory      = 16 << 10 // KiB
	restingCPU      = 25 * time.Millisecond
	restingFor      = 500 * time.Millisecond
)

// compare holds what is left against what was there.
func (e *gateTempest) compare(before atRest) {
	e.t.Helper()
	var now atRest
	eventually(e.t, time.Minute, "no more to be left than was there", func() error {
		now = e.look()
		if !slices.Equal(now.processes, before.processes) {
			return fmt.Errorf("seed %d: processes:\n%s\nbefore:\n%s", e.seed, strings.Join(now.processes, "\n"), strings.Join(before.processes, "\n"))
		}
		for what, fds := range now.descriptors {
			if was := before.descriptors[what]; len(fds) > len(was)+moreDescriptors {
				return fmt.Errorf("seed %d: %s has %d descriptors, and had %d: %v", e.seed, what, len(fds), len(was), fds)
			}
		}
		for what, kib := range now.memory {
			if was := before.memory[what]; kib > was+moreMemory {
				return fmt.Errorf("seed %d: %s has %d KiB, and had %d", e.seed, what, kib, was)
			}
		}
		return e.zombies()
	})
	e.t.Logf("KiB before %v, after %v", before.memory, now.memory)
	eventually(e.t, patience, "gate, apps and daemon to rest", func() error {
		lasting, was := e.lasting(), map[string]time.Duration{}
		for what, pid := range lasting {
			was[what] = cpuOf(pid)
		}
		<-time.After(restingFor) // this is what is measured
		for what, pid := range lasting {
			if used := cpuOf(pid) - was[what]; used > restingCPU {
				return fmt.Errorf("seed %d: %s takes %v in %v", e.seed, what, used, restingFor)
			}
		}
		return nil
	})
	for _, bad := range []string{"panic", "goroutine ", "fatal error", "DATA RACE"} {
		logs, _ := filepath.Glob(filepath.Join(e.demo, "apps/*/logs/*.log"))
		more, _ := filepath.Glob(filepath.Join(e.state, "data/gate/logs/*.log"))
		for _, path := range append(append(logs, more...), e.daemon.log) {
			if text, _ := os.ReadFile(path); strings.Contains(string(text), bad) {
				e.t.Errorf("seed %d: %s has %q:\n%s", e.seed, path, bad, text[max(0, len(text)-6000):])
			}
		}
	}
}

// zombies are children of the fleet that nobody has waited for.
func (e *gateTempest) zombies() error {
	ours := map[string]string{}
	for what, pid := range e.lasting() {
		ours[fmt.Sprint(pid)] = what
	}
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range all {
		text, _ := os.ReadFile(path)
		_, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[0] == "Z" && ours[f[1]] != "" {
			return fmt.Errorf("seed %d: %s has a zombie: %s", e.seed, ours[f[1]], text)
		}
	}
	return nil
}

// cpuOf is what a process has taken of the processors.
func cpuOf(pid int) (d time.Duration) {
	all, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, path := range all {
		var ns int64
		if text, err := os.ReadFile(path); err == nil {
			_, _ = fmt.Sscan(string(text), &ns)
		}
		d += time.Duration(ns)
	}
	return d
}
