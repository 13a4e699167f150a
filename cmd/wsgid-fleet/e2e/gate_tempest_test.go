package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

var (
	gateTempestTime = flag.Duration("gate.tempest.time", 4*time.Second, "how long TestGateTempest disturbs")
	gateTempestSeed = flag.Uint64("gate.tempest.seed", 0, "what TestGateTempest does, in which order; 0: a new seed, printed")
)

// tempestApp answers with lines that say whose answer it is, and to what.
const tempestApp = `import zlib

def application(environ, start_response):
    n = crc = 0
    while True:
        piece = environ["wsgi.input"].read(65536)
        if not piece:
            break
        n, crc = n + len(piece), zlib.crc32(piece, crc)
    line = "%s %%s %%s %%s %%s %%d %%d\n" %% (environ["wsgi.url_scheme"], environ["REMOTE_ADDR"], environ["HTTP_HOST"], environ["PATH_INFO"], n, crc)
    line = line.encode("latin-1")
    count = max(1, int(environ["QUERY_STRING"] or 0) // len(line))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(count * len(line)))])
    if environ["PATH_INFO"].endswith("7") and count < 5000:
        return (line for _ in range(count))
    return [line * count]
`

const (
	theGate     = "_gate"
	nobodysName = "nobody.test"
	proxySource = "127.0.0.9" // from here a PROXY header is required
)

// tempestApps are the apps behind the gate: alpha has a certificate of its own, gamma sleeps
// when nobody asks, delta is taken out now and then.
var tempestApps = []string{"alpha", "beta", "gamma", "delta"}

// tempestNames are asked for. Those that begin with w wander from app to app; any.beta.test
// is beta's by a wildcard, until another app has it.
var tempestNames = []string{"alpha.test", "alpha.test", "beta.test", "beta.test", "gamma.test", "delta.test", "w1.test", "w2.test", "w3.beta.test", "any.beta.test", nobodysName}

// gateTempest is a gate at work, and what is done to it.
type gateTempest struct {
	*harness
	chronicle
	tally

	seed          uint64
	rand          *rand.Rand
	plain, secure string
	socket        string // where clients come without TCP
	ca            *authority
	daemon        *daemon
	has           map[string]string // whose each name is to be by the specs
	limit         int               // what the limits of the apps are
	defaults      bool              // beta answers for names that nobody has
	out           bool              // delta was taken out
}

// TestGateTempest has clients that ask by a gate in every way, stop, reset and go, beside an
// operator who moves names, replaces, edits and kills. Each answer that is whole is the right
// one, of an app that had the name. Without an answer is only what was inside something that
// was killed. Then there is calm: nothing is left of all that, and whoever asks is served.
func TestGateTempest(t *testing.T) {
	t.Parallel()
	seed := *gateTempestSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	e := newGateTempest(t, seed)
	defer func() {
		if text, err := os.ReadFile(filepath.Join(e.state, "data/gate/logs/wsgid.log")); err == nil && t.Failed() {
			t.Logf("the gate's log:\n%s", text[max(0, len(text)-8000):])
		}
	}()
	e.calm()
	before := e.look()
	e.blow()
	e.settle()
	e.calm()
	e.compare(before)
	e.tell(t)
	if e.counts["answered"] == 0 {
		t.Error("nobody was answered")
	}
}

func newGateTempest(t *testing.T, seed uint64) *gateTempest {
	who := someone(t)
	b, plain := gated(t, who, "")
	e := &gateTempest{harness: b, chronicle: chronicle{names: map[string][]tenure{}}, seed: seed, rand: rand.New(rand.NewPCG(seed, 0)),
		plain: plain, secure: freeport.Addr(t), ca: newAuthority(t), has: map[string]string{}}
	e.socket = filepath.Join(b.dir, "gate.sock")
	e.certify()
	for _, app := range tempestApps {
		folder := filepath.Join(b.demo, "apps", app)
		b.must(os.MkdirAll(filepath.Join(folder, "app"), 0o755))
		code := filepath.Join(folder, "app", "site_"+app+".py")
		b.must(os.WriteFile(code, fmt.Appendf(nil, tempestApp, app), 0o644))
		if who.apps != nil {
			for _, path := range []string{folder, filepath.Join(folder, "app"), code} {
				b.must(os.Chown(path, int(who.apps.Uid), int(who.apps.Gid)))
			}
		}
	}
	for _, name := range tempestNames {
		app, _, _ := strings.Cut(name, ".")
		switch {
		case name == nobodysName:
			app = ""
		case strings.HasSuffix(name, ".beta.test"):
			app = "beta"
		case app[0] == 'w':
			app = "alpha"
		}
		e.has[name], e.names[name] = app, []tenure{{app: app}}
	}
	for _, app := range tempestApps {
		e.spec(app)
	}
	e.front()
	e.daemon = b.run()
	b.awaitGate(0)
	return e
}

// certify issues the certificates anew.
func (e *gateTempest) certify() {
	e.ca.issue(filepath.Join(e.demo, "alpha.pem"), e.who, "alpha.test", "*.alpha.test")
	e.ca.issue(filepath.Join(e.demo, "shared.pem"), e.who, "beta.test", "*.beta.test", "gamma.test", "delta.test")
}

// spec writes the spec of an app as it should be now.
func (e *gateTempest) spec(app string) {
	e.t.Helper()
	hosts := []string{app + ".test"}
	if app == "beta" {
		hosts = append(hosts, "*.beta.test")
	}
	for _, name := range []string{"w1.test", "w2.test", "w3.beta.test"} {
		if e.has[name] == app && (app != "beta" || name != "w3.beta.test") {
			hosts = append(hosts, name)
		}
	}
	workers, cert := "count = 2", ""
	switch app {
	case "gamma":
		workers = "min = 0\n    max = 1\n    idle_timeout = \"300ms\""
	case "alpha":
		path := filepath.Join(e.demo, "alpha.pem")
		cert = fmt.Sprintf("  tls {\n    cert = %q\n    key  = %q\n  }\n", path, path)
	}
	for i, h := range hosts {
		hosts[i] = strconv.Quote(h)
	}
	e.write("wsgid.d/"+app+".hcl", fmt.Sprintf("app %q {\n  path     = %q\n  wsgi_app = \"site_%s:application\"\n  hosts    = [%s]\n%s  workers {\n    %s\n  }\n  request {\n    response_buffer = \"%dMiB\"\n    max_body = \"%dMiB\"\n    header_timeout = \"%ds\"\n  }\n}\n",
		app, filepath.Join(e.demo, "apps", app), app, strings.Join(hosts, ", "), cert, workers, 1<<(e.limit%5), 8+e.limit%3, 20+e.limit%7))
}

// front writes the spec of the gate.
func (e *gateTempest) front() {
	e.t.Helper()
	more := ""
	if e.defaults {
		more = "  default = \"beta\"\n"
	}
	shared := filepath.Join(e.demo, "shared.pem")
	e.write("wsgid.d/gate.hcl", fmt.Sprintf("gate {\n  http { listen = %q }\n  http { listen = %q }\n  http {\n    listen = %q\n    tls {\n      cert = %q\n      key  = %q\n    }\n  }\n  proxy_protocol = [\"%s/32\"]\n%s}\n",
		e.plain, "unix:"+e.socket, e.secure, shared, shared, proxySource, more))
}

// tempestClients are at work at a time.
const tempestClients = 14

// blow disturbs for a time.
func (e *gateTempest) blow() {
	stop := make(chan struct{})
	var work sync.WaitGroup
	defer work.Wait()
	defer close(stop) // also where something is wrong
	for n := range tempestClients {
		g := &gateGust{gateTempest: e, number: n, r: rand.New(rand.NewPCG(e.seed, uint64(n)+1)), stop: stop}
		work.Go(g.run)
	}
	var deck []int
	over := time.After(*gateTempestTime)
	for rest := time.Duration(0); !e.t.Failed(); rest = time.Duration(e.rand.IntN(100)) * time.Millisecond {
		select {
		case <-over:
			return
		case <-time.After(rest): // so long it is left alone
		}
		if len(deck) == 0 {
			deck = e.rand.Perm(len(gateActs))
		}
		act := gateActs[deck[0]]
		deck = deck[1:]
		e.count("operator: " + act.name)
		e.note("%s", act.name)
		act.do(e)
		e.note("%s: done", act.name)
	}
}

// settle puts back what was taken out.
func (e *gateTempest) settle() {
	if e.out {
		e.putBack()
	}
	if e.defaults {
		e.changeDefault()
	}
}
