package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
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
	tls   bool
	idle  bool // workers.min = 0, and few clients: its master comes and goes
	wide  bool // it listens on all addresses
	count int
	word  int  // the value of GREETING, to be changed
	thr   int  // threads
	extra bool // one more listener
	aside string
	ill   bool // its health check fails
	named bool // the gate brings clients to it by NAME.test
}

// requestTimeout is short, so that a worker that was stopped is noticed within
// the storm, and longer than a machine with too much to do stands still.
const requestTimeout = 5 * time.Second

// idleTime is how long the idle app keeps a worker, and then its master.
const idleTime = 100 * time.Millisecond

// storm disturbs a fleet under load.
type storm struct {
	*harness
	rand    *rand.Rand // of what a disturbance does
	deck    *deck      // which comes next
	apps    []*stormApp
	daemon  *daemon
	loads   []*Load
	kills   []*kill
	done    map[string]int // disturbances by kind
	moot    map[string]int // those that met nothing to disturb
	diary   diary          // of the storm
	sleeper *stormApp
	trust   *tls.Config // of its clients
	cert    string      // path of certificate and key
	gate    string      // where clients ask by name
	// outages are the times without any daemon or app, by order.
	outages []*outage
	manager *manager // of services
	service bool     // the daemon was started by it
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
	s := &storm{harness: newHarness(t, who), rand: rand.New(rand.NewPCG(seed, 0)), done: map[string]int{}, moot: map[string]int{}}
	list := disturbances
	if *chaosSkip != "" {
		list = slices.DeleteFunc(slices.Clone(list), func(d disturbance) bool { return skip.MatchString(d.name) })
	}
	s.deck = newDeck(seed, list)
	s.setUp()
	for end := time.Now().Add(*chaosTime); time.Now().Before(end) && !t.Failed(); {
		s.disturb()
	}
	s.settle()
	s.report()
}

// setUp starts a daemon, five apps under load, one that stands by and one that
// nobody asks: it sleeps.
func (s *storm) setUp() {
	s.t.Helper()
	s.only()
	s.must(s.build())
	s.manager = newManager(s.t, s.dir)
	s.equip = func(cmd *exec.Cmd) error { return s.manager.equip(cmd, s.service) }
	s.cert, s.trust = certificate(s.t, s.dir, s.who)
	for _, name := range []string{"alpha", "idler", "beta", "secure", "bystander", "sleeper"} {
		folder := filepath.Join(s.demo, "apps", name)
		s.must(os.CopyFS(folder, os.DirFS(filepath.Join(s.demo, "apps/hello"))))
		for _, dir := range []string{folder, filepath.Join(folder, "app")} {
			if s.who.apps != nil {
				s.must(os.Chown(dir, int(s.who.apps.Uid), int(s.who.apps.Gid)))
			}
		}
		s.unwell(name, "hello.py")
		a := &stormApp{name: name, addr: freeport.Addr(s.t), count: 2, thr: 1, aside: freeport.Addr(s.t)}
		a.idle, a.tls = name == "idler" || name == "sleeper", name == "secure"
		a.named = name == "alpha" || name == "beta" || name == "idler"
		s.must(s.spec(a))
		switch name {
		case "bystander":
		case "sleeper":
			s.sleeper = a
		default:
			s.apps = append(s.apps, a)
		}
	}
	s.unwell("m2", "m2.py")
	m2 := &stormApp{name: "m2", addr: s.m2, m2: true, count: 2, thr: 1}
	s.apps = append(s.apps, m2)
	s.must(s.spec(m2))
	s.gate = freeport.Addr(s.t)
	s.write("wsgid.d/gate.hcl", fmt.Sprintf("gate {\n  http { listen = %q }\n}\n", s.gate))
	s.startMongrel2()
	s.start()
	s.awaitGate(0)
	eventually(s.t, patience, "every app to be ready", s.allReady)
	for _, a := range s.apps {
		for _, keep := range []bool{true, false} {
			l := &Load{App: a.name, Addr: a.addr, Connections: 2, KeepAlive: keep, Pause: 2 * time.Millisecond}
			if a.idle {
				l.Connections, l.KeepAlive, l.Pause = 1, false, 3*idleTime
			}
			if a.m2 {
				l.Timeout = 12 * time.Second
			}
			if a.tls {
				l.TLS = s.trust
			}
			s.loads = append(s.loads, l)
			l.Start()
			if a.named {
				g := &Load{App: byGate + a.name, Addr: s.gate, Host: a.name + ".test", Connections: l.Connections, KeepAlive: keep, Pause: l.Pause}
				s.loads = append(s.loads, g)
				g.Start()
			}
		}
		if a.named && !a.idle {
			s.strange(a)
		}
	}
}

// strange has clients at work that read big answers slowly, and that close their side as soon as
// they have asked.
func (s *storm) strange(a *stormApp) {
	for _, at := range []struct{ name, addr, host string }{{a.name, a.addr, ""}, {byGate + a.name, s.gate, a.name + ".test"}} {
		slow := &Load{App: at.name, Addr: at.addr, Host: at.host, Connections: 1, KeepAlive: true, Rest: 5 * time.Millisecond}
		slow.Request = func(n uint64) (string, string, []byte) { return http.MethodGet, fmt.Sprintf("/big/%d", n), nil }
		slow.Check = func(n uint64, body []byte) error {
			line := fmt.Appendf(nil, "/big/%d\n", n)
			if want := bytes.Repeat(line, 2<<20/len(line)); !bytes.Equal(body, want) {
				return fmt.Errorf("%d bytes, not the %d of lines of %q", len(body), len(want), line)
			}
			return nil
		}
		half := &Load{App: at.name, Addr: at.addr, Host: at.host, Connections: 1, HalfClose: true, Pause: 5 * time.Millisecond}
		s.loads = append(s.loads, slow, half)
		slow.Start()
		half.Start()
	}
}

// build makes the programs anew with a holder of sockets that waits less long for
// the next daemon.
func (s *storm) build() error {
	top, err := filepath.Abs("../../..")
	if err != nil {
		return err
	}
	s.fleetPath = filepath.Join(s.dir, "bin/wsgid-fleet")
	if err := os.Mkdir(filepath.Dir(s.fleetPath), 0o755); err != nil {
		return err
	}
	return build(context.Background(), top, s.fleetPath, "-ldflags",
		"-X github.com/wsgid-fleet/wsgid-fleet/fleet/sockets.holderPatience="+holderPatience.String())
}

// unwell adds to an app's code a page that fails, and big ones.
func (s *storm) unwell(app, file string) {
	s.t.Helper()
	path := filepath.Join(s.demo, "apps", app, "app", file)
	text, err := os.ReadFile(path)
	s.must(err)
	s.must(os.WriteFile(path, append(text, `

def well(environ, start_response, answer=application):
    path = environ["PATH_INFO"]
    if path.startswith("/big/"):
        line = path.encode() + b"\n"
        count = (2 << 20) // len(line)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(count * len(line)))])
        return [line * count]
    if path != "/unwell":
        return answer(environ, start_response)
    start_response("500 Unwell", [("Content-Length", "0")])
    return []


application = well
`...), 0o644))
}

// text is the app's spec as it should be now.
func (s *storm) text(a *stormApp) string {
	listen := a.addr
	if a.wide {
		_, port, _ := strings.Cut(a.addr, ":")
		listen = "0.0.0.0:" + port
	}
	module, sockets := "hello", fmt.Sprintf("    http {\n      listen = %q\n    }\n", listen)
	if a.tls {
		sockets = fmt.Sprintf("    http {\n      listen = %q\n      tls {\n        cert = %q\n        key  = %[2]q\n      }\n    }\n", listen, s.cert)
	}
	health := ""
	if a.ill {
		health = "  health {\n    path     = \"/unwell\"\n    interval = \"50ms\"\n    timeout  = \"50ms\"\n    failures = 1\n  }\n\n"
	}
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
	hosts := "[]"
	if a.named {
		hosts = fmt.Sprintf("[%q]", a.name+".test")
	}
	return fmt.Sprintf(`app %q {
  wsgi_app = "%s:application"
  env      = { GREETING = "Word %d" }
  hosts    = %s

  sockets {
%s  }

  workers {
    %s
    threads         = %d
    request_timeout = %q
  }

%s  restart {
    min_delay = "100ms"
    max_delay = "1s"
  }
}
`, a.name, module, a.word, hosts, sockets, number, a.thr, requestTimeout, health)
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
	return wait(patience, func() error {
		if out := s.fleet(command, args...); out.code != 0 {
			return fmt.Errorf("wsgid-fleet %s %v: %v", command, args, out)
		}
		return nil
	})
}

func (s *storm) breathe() {
	time.Sleep(time.Duration(20+s.rand.IntN(400)) * time.Millisecond)
}

// disturb does one thing, chosen by the seed, and now and then waits until
// all is well again.
func (s *storm) disturb() {
	s.t.Helper()
	d, n := s.deck.next(len(s.apps))
	app := s.apps[n]
	s.diary.note("%s (%s)", d.name, app.name)
	switch err := d.do(s, app); {
	case errors.Is(err, errMoot):
		s.moot[d.name]++
	case err != nil:
		s.t.Errorf("%s (%s): %v", d.name, app.name, err)
		fallthrough
	default:
		s.done[d.name]++
	}
	s.breathe()
	if s.rand.IntN(3) == 0 {
		s.heal()
	}
}

func (s *storm) heal() {
	s.t.Helper()
	eventually(s.t, patience, "every app to be ready again", s.allReady)
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
		s.wantAnswer(a, "/end")
	}
}

// wantAnswer asks an app until it answers as its spec says.
func (s *storm) wantAnswer(a *stormApp, path string) {
	s.t.Helper()
	eventually(s.t, patience, fmt.Sprintf("%s to answer %s by its spec", a.name, path), func() error {
		l := &Load{App: a.name, Addr: a.addr, Timeout: 20 * time.Second}
		if a.tls {
			l.TLS = s.trust
		}
		l.Request = func(uint64) (string, string, []byte) { return http.MethodGet, path, nil }
		l.Check = func(_ uint64, body []byte) error {
			if text := string(body); !strings.Contains(text, path+"\n") || !a.m2 && !strings.HasPrefix(text, fmt.Sprintf("Word %d ", a.word)) {
				return fmt.Errorf("it answers %q", text)
			}
			return nil
		}
		var c net.Conn
		var r *bufio.Reader
		_, err := l.one(1, &c, &r)
		if c != nil {
			_ = c.Close()
		}
		return err
	})
}
