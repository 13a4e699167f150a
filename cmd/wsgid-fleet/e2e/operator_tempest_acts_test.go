package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"time"
)

// tempestOperator gives orders at random.
type tempestOperator struct {
	*operatorTempest
	r *rand.Rand
}

// tempestOrders are what operators do, and how often compared with others.
var tempestOrders = []struct {
	name  string
	often int
	do    func(*tempestOperator, *tempestSite)
}{
	{"edit", 4, (*tempestOperator).edit},
	{"count of workers", 2, (*tempestOperator).resize},
	{"file broken or mended", 2, (*tempestOperator).spoil},
	{"module that is not there, or is", 2, (*tempestOperator).fault},
	{"rename", 3, (*tempestOperator).rename},
	{"rename with the folder", 1, (*tempestOperator).moveFolder},
	{"environments", 2, (*tempestOperator).branch},
	{"HCL or JSON", 2, (*tempestOperator).translate},
	{"file renamed", 2, (*tempestOperator).moveFile},
	{"files split or joined", 3, (*tempestOperator).regroup},
	{"environment out or back", 2, (*tempestOperator).takeOut},
	{"file away for a moment", 1, (*tempestOperator).remove},
	{"disabled for a moment", 1, (*tempestOperator).disable},
	{"database", 2, (*tempestOperator).database},
	{"deploy", 6, (*tempestOperator).deploy},
	{"rollback", 3, func(o *tempestOperator, s *tempestSite) { o.of(s, "rollback") }},
	{"stop and start", 1, (*tempestOperator).stopAndStart},
	{"restart", 2, func(o *tempestOperator, s *tempestSite) { o.of(s, "restart") }},
	{"reload", 2, func(o *tempestOperator, s *tempestSite) { o.of(s, "reload") }},
	{"scale", 2, (*tempestOperator).scale},
	{"apply", 3, (*tempestOperator).apply},
	{"questions", 1, (*tempestOperator).question},
	{"kill of the daemon", 2, (*tempestOperator).kill},
	{"upgrade of the daemon", 1, func(o *tempestOperator, _ *tempestSite) { o.signal(syscall.SIGUSR2) }},
	{"HUP of the daemon", 1, func(o *tempestOperator, _ *tempestSite) { o.signal(syscall.SIGHUP) }},
}

// order gives one order that has to do with a site.
func (o *tempestOperator) order(s *tempestSite) {
	all := 0
	for _, a := range tempestOrders {
		all += a.often
	}
	n := o.r.IntN(all)
	for _, a := range tempestOrders {
		if n -= a.often; n < 0 {
			o.count("operator: " + a.name)
			a.do(o, s)
			return
		}
	}
}

// edits changes specs while nobody else does.
func (e *operatorTempest) edits(format string, s *tempestSite, change func() (what any, done bool)) bool {
	e.orders.Lock()
	defer e.orders.Unlock()
	was := s.app()
	what, done := change()
	if done {
		e.note("%s: "+format, was, what)
	}
	return done
}

// called is what a site is called now.
func (e *operatorTempest) called(s *tempestSite) string {
	e.orders.Lock()
	defer e.orders.Unlock()
	return s.app()
}

// of gives a command with the name of the app behind it.
func (o *tempestOperator) of(s *tempestSite, command string, args ...string) output {
	return o.says(command, append([]string{o.called(s)}, args...)...)
}

// says gives a command, which may fail: the spec may be broken, the app called otherwise by
// now, the daemon just killed.
func (e *operatorTempest) says(command string, args ...string) output {
	out := e.fleet(command, args...)
	said := strings.TrimSpace(out.stderr)
	e.note("%s %v: exit %d %s", command, args, out.code, said[max(0, len(said)-300):])
	if strings.Contains(said, "panic: ") || strings.Contains(said, "goroutine ") {
		e.t.Errorf("seed %d: %s %v: %v", e.seed, command, args, out)
	}
	return out
}

// goesDown has the clients of a site put up with silence; comesUp is told when its app was
// ordered to serve again, and ends that where it does. Else it ends with the next rest.
func (s *tempestSite) goesDown() {
	s.downs.Add(1)
	s.down.Add(1)
}

func (o *tempestOperator) comesUp(s *tempestSite) {
	if out := o.of(s, "apply", theGate); out.code == 0 {
		s.downs.Add(1)
		s.down.Add(-1)
	}
}

// deploy makes a commit and deploys it; what cannot be loaded or fails in a stage is not to serve.
func (o *tempestOperator) deploy(s *tempestSite) {
	if s.repo == nil {
		return
	}
	kind := o.r.IntN(8)
	o.commit(s.repo, kind > 1)
	if kind == 7 {
		_ = os.WriteFile(o.failing(s), nil, 0o644) // without it the stage passes
		defer os.Remove(o.failing(s))
	}
	var args []string
	if o.r.IntN(2) == 0 {
		args = []string{"--wait"}
	}
	o.of(s, "deploy", args...)
}

func (o *tempestOperator) stopAndStart(s *tempestSite) {
	s.naming.Lock()
	defer s.naming.Unlock()
	s.goesDown()
	o.of(s, "stop")
	time.Sleep(time.Duration(o.r.IntN(1000)) * time.Millisecond) // so long it is
	if out := o.of(s, "start"); out.code == 0 {
		o.comesUp(s)
	}
}

func (o *tempestOperator) scale(s *tempestSite) {
	o.says("scale", fmt.Sprintf("%s=%d", o.called(s), 1+o.r.IntN(3)))
}

func (o *tempestOperator) apply(s *tempestSite) {
	if o.r.IntN(2) == 0 {
		o.of(s, "apply")
	} else {
		o.says("apply")
	}
}

func (o *tempestOperator) question(s *tempestSite) {
	for _, command := range []string{"status", "plan", "deploys", "validate"} {
		o.says(command)
	}
	o.of(s, "logs")
}

func (o *tempestOperator) kill(*tempestSite) {
	o.daemons.Lock()
	defer o.daemons.Unlock()
	o.note("the daemon is killed")
	o.daemon.kill(o.t)
	time.Sleep(time.Duration(o.r.IntN(500)) * time.Millisecond) // so long there is none
	o.daemon = o.launch()
	o.awaitDaemon(o.daemon) // a signal before it listens for it would end it
	o.note("the daemon is started")
}

func (o *tempestOperator) signal(sig syscall.Signal) {
	o.daemons.Lock()
	defer o.daemons.Unlock()
	o.note("%v to the daemon", sig)
	_ = o.daemon.Process.Signal(sig)
	time.Sleep(time.Duration(o.r.IntN(300)) * time.Millisecond) // what comes next comes in its middle
}
