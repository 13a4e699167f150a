package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// start starts the daemon by hand or as a service, as chance has it.
func (s *storm) start() {
	s.t.Helper()
	s.startAs(s.rand.IntN(2) == 0)
}

func (s *storm) startAs(service bool) {
	s.t.Helper()
	s.service = service
	s.diary.note("  daemon is started; as a service: %v", s.service)
	s.daemon = s.run()
	if !s.service {
		s.manager.forget()
	}
}

// upTo is a random time.
func (s *storm) upTo(limit time.Duration) time.Duration {
	return time.Duration(s.rand.Int64N(int64(limit)))
}

// upgradeThen sends USR2 and, in a moment of the upgrade, another signal. After
// TERM the daemon is started again.
func (s *storm) upgradeThen(sig syscall.Signal) error {
	after := s.upTo(80 * time.Millisecond)
	if err := s.daemon.Process.Signal(syscall.SIGUSR2); err != nil {
		return err
	}
	time.Sleep(after) // the moment is what is tried
	o := &outage{what: "ended with the daemon", from: time.Now(), kept: s.service, reset: map[string]int{}}
	if err := s.daemon.Process.Signal(sig); err != nil {
		return err
	}
	s.diary.note("  %v came %v after USR2", sig, after)
	if sig != syscall.SIGTERM {
		return wait(patience, s.daemonAnswers)
	}
	select {
	case <-s.daemon.done:
	case <-time.After(90 * time.Second):
		return fmt.Errorf("TERM, %v after USR2, is lost", after)
	}
	if !s.daemon.ProcessState.Success() {
		return fmt.Errorf("TERM, %v after USR2: %v", after, s.daemon.ProcessState)
	}
	if left, _ := filepath.Glob(filepath.Join(s.state, "apps/*/master-*.json")); len(left) > 0 {
		return fmt.Errorf("TERM, %v after USR2: the daemon has left masters behind: %v", after, left)
	}
	s.start()
	s.heal()
	o.to = time.Now()
	s.outages = append(s.outages, o)
	return nil
}

func (s *storm) daemonAnswers() error {
	select {
	case <-s.daemon.done:
		return fmt.Errorf("the daemon has ended: %v", s.daemon.ProcessState)
	default:
	}
	st, err := s.status()
	if err == nil && (st.Daemon == nil || st.Daemon.PID != s.daemon.Process.Pid) {
		err = fmt.Errorf("status names daemon %+v, not %d", st.Daemon, s.daemon.Process.Pid)
	}
	return err
}

// background takes a command's end from another goroutine.
func (s *storm) background(command string, args ...string) <-chan output {
	done := make(chan output, 1)
	go func() {
		defer close(done)
		done <- s.fleet(command, args...)
	}()
	return done
}

// masters are the pids of an app's masters by their records; draining tells which
// of them goes.
func (s *storm) masters(a *stormApp) (pids []int, draining int) {
	files, _ := filepath.Glob(filepath.Join(s.state, "apps", a.name, "master-*.json"))
	for _, path := range files {
		var m struct {
			PID      int
			Draining bool
		}
		text, err := os.ReadFile(path)
		if err != nil || json.Unmarshal(text, &m) != nil || !alive(m.PID) {
			continue
		}
		pids = append(pids, m.PID)
		if m.Draining {
			draining = m.PID
		}
	}
	return pids, draining
}

// lively is the app, or in the place of one whose master may not be there, or
// whose mongrel2 loses what it holds for a peer that goes, another.
func (s *storm) lively(a *stormApp) *stormApp {
	if a.m2 || a.idle {
		return s.apps[0]
	}
	return a
}

// keptOpen are connections on which one request was answered.
const keptOpen = 30

// cutHandover kills one of two masters while connections go from one to the
// other. No client may be left hanging.
func (s *storm) cutHandover(a *stormApp, sender bool) error {
	a = s.lively(a)
	s.heal()
	before, _ := s.masters(a)
	var conns []*asker
	defer func() {
		for _, c := range conns {
			c.close()
		}
	}()
	for range keptOpen {
		c := newAsker(s, a)
		if err := c.ask(); err != nil {
			c.close()
			continue // judged by the load
		}
		conns = append(conns, c)
	}
	done := s.background("restart", a.name)
	old, successor := 0, 0
	for ended := false; ; time.Sleep(time.Millisecond) {
		pids, draining := s.masters(a)
		for _, pid := range pids {
			if slices.Contains(before, pid) {
				old = pid
			} else {
				successor = pid
			}
		}
		if len(pids) == 2 && draining == old {
			break
		}
		if ended {
			return errMoot // it was too fast
		}
		ended = len(done) > 0
	}
	time.Sleep(s.upTo(3 * time.Millisecond))
	pid := successor
	if sender {
		pid = old
	}
	s.hit(a, killedMaster, pid, syscall.SIGKILL)
	for _, c := range conns {
		if err := c.ask(); causeOfNil(err) == TimedOut {
			return fmt.Errorf("master %d was killed while %d handed connections to %d: a client hangs: %w", pid, old, successor, err)
		}
	}
	return s.told(<-done, a)
}

// told is nil if a command was carried out, or says of which app it was not.
func (s *storm) told(out output, a *stormApp) error {
	s.diary.note("  the command ended with %d after %v: %s", out.code, out.took, out.stderr)
	if out.code != 0 && !strings.Contains(out.stderr, a.name) {
		return fmt.Errorf("the command failed and does not say for which app and why: %v", out)
	}
	return nil
}

func causeOfNil(err error) Cause {
	if err == nil {
		return ""
	}
	return causeOf(err)
}

// asker is one client with one connection.
type asker struct {
	load *Load
	c    net.Conn
	r    *bufio.Reader
}

func newAsker(s *storm, a *stormApp) *asker {
	l := &Load{App: a.name, Addr: a.addr, KeepAlive: true, Timeout: 20 * time.Second}
	if a.tls {
		l.TLS = s.trust
	}
	return &asker{load: l}
}

func (k *asker) ask() error {
	keep, err := k.load.one(k.load.sent.Add(1), &k.c, &k.r)
	if !keep {
		k.close()
	}
	return err
}

func (k *asker) close() {
	if k.c != nil {
		_ = k.c.Close()
		k.c = nil
	}
}

// shakeHands opens HTTPS connections all the while one master takes over from
// another.
func (s *storm) shakeHands() error {
	i := slices.IndexFunc(s.apps, func(a *stormApp) bool { return a.tls })
	a := s.apps[i]
	s.heal()
	loads := []*Load{
		{App: a.name, Addr: a.addr, TLS: s.trust, Connections: 4},
		// A connection is there and its request on the way when the end begins.
		{App: a.name, Addr: a.addr, TLS: s.trust, Connections: 4, Hold: 100 * time.Millisecond},
	}
	for _, l := range loads {
		s.loads = append(s.loads, l)
		l.Start()
	}
	out := <-s.background("restart", a.name)
	for _, l := range loads {
		l.Stop()
	}
	if out.code != 0 {
		return fmt.Errorf("wsgid-fleet restart %s: %v", a.name, out)
	}
	return nil
}

// fallIll adds a health block whose page fails, and takes it out when workers have
// been replaced for it. The master stays.
func (s *storm) fallIll(a *stormApp) error {
	s.heal()
	before, _ := s.masters(a)
	path := filepath.Join(s.demo, "apps", a.name, "logs/wsgid.log")
	size := func() int64 {
		fi, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return fi.Size()
	}
	from := size()
	a.ill = true
	if err := s.spec(a); err != nil {
		return err
	}
	if !a.idle {
		if err := wait(patience, func() error {
			text, err := os.ReadFile(path)
			if err == nil && !strings.Contains(string(text[min(from, int64(len(text))):]), "health") {
				err = errors.New("the log tells of no failing health check")
			}
			return err
		}); err != nil {
			return err
		}
	}
	s.breathe()
	a.ill = false
	if err := s.spec(a); err != nil {
		return err
	}
	s.heal()
	if after, _ := s.masters(a); !a.idle && !slices.Equal(before, after) {
		return fmt.Errorf("masters %v have become %v: a health block is a live change", before, after)
	}
	return nil
}

// overtake edits a spec while a command is carried out. Both are done: no worker
// is left that was there before, and the app runs as the spec says.
func (s *storm) overtake(command string, a *stormApp) error {
	if a.m2 {
		command = "reload" // as with sockets
	}
	s.heal()
	before, err := s.app(a.name)
	if err != nil {
		return err
	}
	done := s.background(command, a.name)
	time.Sleep(s.upTo(300 * time.Millisecond)) // the moment is what is tried
	if s.rand.IntN(2) == 0 {
		a.word++
	} else {
		a.count = a.count%4 + 1 // a live change: only the command makes new workers
	}
	if err := s.spec(a); err != nil {
		return err
	}
	if out := <-done; out.code != 0 {
		return fmt.Errorf("%s %s, overtaken by an edit: %v", command, a.name, out)
	}
	s.wantAnswer(a, "/overtaken")
	return wait(patience, func() error {
		app, err := s.app(a.name)
		if err != nil {
			return err
		}
		for _, w := range app.Workers {
			if slices.ContainsFunc(before.Workers, func(b workerStatus) bool { return b.PID == w.PID }) {
				return fmt.Errorf("%s %s, overtaken by an edit, is done, and worker %d is the one of before", command, a.name, w.PID)
			}
		}
		if !a.idle && len(app.Workers) != a.count {
			return fmt.Errorf("%s has %d workers, want %d", a.name, len(app.Workers), a.count)
		}
		return nil
	})
}

// restartKilled kills a master in a moment of its restart.
func (s *storm) restartKilled(a *stormApp) error {
	a = s.lively(a)
	done := s.background("restart", a.name)
	time.Sleep(s.upTo(600 * time.Millisecond)) // the moment is what is tried
	pids, _ := s.masters(a)
	if len(pids) == 0 {
		<-done
		return errMoot
	}
	s.hit(a, killedMaster, pids[s.rand.IntN(len(pids))], syscall.SIGKILL)
	return s.told(<-done, a)
}

// stopBadly stops an app in a way that meets an error, and starts it again. What
// stop tells must be true.
func (s *storm) stopBadly() error {
	const app = "bystander"
	s.heal()
	before, err := s.app(app)
	if err != nil || before.Master == nil {
		return err
	}
	var out output
	switch s.rand.IntN(3) {
	case 0: // what was ordered cannot be noted
		dir := filepath.Join(s.state, "data/apps", app)
		if err := os.Rename(dir, dir+".aside"); err != nil {
			return err
		}
		if err := os.WriteFile(dir, nil, 0o600); err != nil {
			return err
		}
		out = s.fleet("stop", app)
		if err := errors.Join(os.Remove(dir), os.Rename(dir+".aside", dir)); err != nil {
			return err
		}
	case 1: // the daemon is killed meanwhile
		done := s.background("stop", app)
		time.Sleep(s.upTo(100 * time.Millisecond))
		s.daemon.kill(s.t)
		out = <-done
		s.start()
	default: // its master does not answer for a while
		done := s.background("stop", app)
		if err := s.freeze(before.Master.PID); err != nil {
			return err
		}
		out = <-done
	}
	s.diary.note("  stop ended with %d: %s", out.code, out.stderr)
	switch after, err := s.app(app); {
	case err != nil:
		return err
	case out.code == 0 && (after.State != "stopped" || after.Master != nil):
		return fmt.Errorf("stop says that it is done, and %s is %s: %v", app, after.State, out)
	case out.code != 0 && out.stderr == "":
		return fmt.Errorf("stop failed without a word: %v", out)
	}
	if err := s.try("start", app); err != nil {
		return err
	}
	after, err := s.app(app)
	if err == nil && after.State != "ready" {
		err = fmt.Errorf("start is done, and %s is %s (%s)", app, after.State, after.Reason)
	}
	return err
}

// askOn asks the sleeping app on a connection that waits for it already.
func askOn(c net.Conn, path string) error {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: sleeper\r\nConnection: close\r\n\r\n", path); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it was answered %s", resp.Status)
	}
	return nil
}
