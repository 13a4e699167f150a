package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

var (
	operatorTempestTime = flag.Duration("operator.tempest.time", 4*time.Second, "how long TestOperatorTempest disturbs")
	operatorTempestSeed = flag.Uint64("operator.tempest.seed", 0, "what TestOperatorTempest does, in which order; 0: a new seed, printed")
)

const (
	tempestRound     = 10 * time.Second // so long there is disturbance until a rest
	tempestOperators = 2                // at work at a time
)

// operatorTempest is a fleet whose operators give orders at random.
type operatorTempest struct {
	*harness

	seed    uint64
	gateway string // where the gate listens
	sites   []*tempestSite

	orders  sync.Mutex // is held while the files of the directory are changed
	broken  map[string]bool
	daemons sync.Mutex // is held while the daemon is killed and started
	daemon  *daemon

	tally
	notes diary // guarded by tally.mu
}

func (e *operatorTempest) note(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notes.note(format, args...)
}

// wrong fails the test, and tells what was done about that time.
func (e *operatorTempest) wrong(since time.Time, format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	for _, n := range e.notes {
		if n.at.After(since.Add(-5 * time.Second)) {
			fmt.Fprintf(&b, "  %s %s\n", n.at.Format(clock), n.text)
		}
	}
	e.t.Errorf("seed %d, %s to %s: %s\n%s", e.seed, since.Format(clock), time.Now().Format(clock), fmt.Sprintf(format, args...), b.String())
}

// TestOperatorTempest has two operators at a time who edit, break and mend specs, rename apps,
// split and join files, deploy, roll back, stop, scale, kill the daemon and have it execute itself
// anew, in any order, while clients ask. Whoever should serve does, with its own answer, whatever
// they do. When they rest all is as the specs say, and nothing else is left.
func TestOperatorTempest(t *testing.T) {
	who := someone(t)
	t.Parallel()
	seed := *operatorTempestSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	e := newOperatorTempest(t, who, seed)
	e.rest()
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for _, s := range e.sites {
		for _, kind := range tempestAskers {
			clients.Go(func() { e.ask(s, kind, stop) })
		}
	}
	end := sync.OnceFunc(func() { close(stop); clients.Wait() })
	defer end() // also where something is wrong
	over := time.Now().Add(*operatorTempestTime)
	for round := uint64(0); time.Now().Before(over) && !t.Failed(); round++ {
		e.blow(round, min(tempestRound, time.Until(over)))
		e.rest()
	}
	end()
	e.tell(t)
	for _, s := range e.sites {
		if e.counts["answers of "+s.key] == 0 {
			t.Errorf("nobody was answered by %s", s.key)
		}
	}
	if code := e.daemon.stop(t); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
	eventually(t, patience, "nothing to be left of a fleet that was ended", func() error {
		if left := processesOf(e.state); len(left) > 0 {
			return fmt.Errorf("still there: %v", left)
		}
		return nil
	})
}

func newOperatorTempest(t *testing.T, who account, seed uint64) *operatorTempest {
	b := newHarness(t, who)
	b.only()
	e := &operatorTempest{harness: b, seed: seed, gateway: freeport.Addr(t), broken: map[string]bool{}}
	shop, wiki := e.repository("shop"), e.repository("wiki")
	news := e.repository("news")
	for _, s := range []*tempestSite{
		{key: "shop", repo: shop},
		{key: "wiki", repo: wiki, db: 1},
		{key: "blog", sleeps: true},
		{key: "news", repo: news, base: "news", environment: "dev"},
		{key: "side", repo: news, base: "news", environment: "side"},
	} {
		s.listen, s.workers, s.enabled, s.there = freeport.Addr(t), 1, true, true
		s.folder = filepath.Join(e.demo, "apps", s.key)
		s.file = s.key
		if s.base != "" {
			s.file = s.base
		}
		if s.base == "" {
			s.name = s.key
		}
		e.sites = append(e.sites, s)
		if s.repo == nil {
			e.place(s)
		}
	}
	e.write("wsgid.d/gate.hcl", fmt.Sprintf("gate {\n  http { listen = %q }\n}\n", e.gateway))
	for _, file := range []string{"shop", "wiki", "blog", "news"} {
		e.put(file)
	}
	e.daemon = e.run()
	e.awaitGate(0)
	var all []string
	for _, s := range e.sites {
		if s.repo != nil {
			all = append(all, s.app())
		}
	}
	for _, app := range all {
		e.ok("deploy", app)
	}
	return e
}

// place has the code of a site that is not deployed in its folder.
func (e *operatorTempest) place(s *tempestSite) {
	e.t.Helper()
	dir := filepath.Join(s.folder, "app")
	e.must(os.MkdirAll(dir, 0o755))
	code := filepath.Join(dir, "page.py")
	e.must(os.WriteFile(code, fmt.Appendf(nil, operatorApp, "", 0), 0o644))
	if e.who.apps != nil {
		for _, path := range []string{s.folder, dir, code} {
			e.must(os.Chown(path, int(e.who.apps.Uid), int(e.who.apps.Gid)))
		}
	}
}

// blow has operators at work for a time.
func (e *operatorTempest) blow(round uint64, d time.Duration) {
	e.note("---- round %d", round)
	end := time.Now().Add(d)
	var work sync.WaitGroup
	for n := range uint64(tempestOperators) {
		r := rand.New(rand.NewPCG(e.seed, round*tempestOperators+n))
		work.Go(func() {
			o := &tempestOperator{operatorTempest: e, r: r}
			for time.Now().Before(end) && !e.t.Failed() {
				s := e.sites[r.IntN(len(e.sites))]
				for range 1 + r.IntN(3) { // of one app, so that one order meets another
					o.order(s)
					time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond) // so long it is left alone
				}
			}
		})
	}
	work.Wait()
}
