package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

var (
	clusterFaults = flag.Int("cluster.faults", 0, "how many faults TestClusterStorm brings; 0: some that are soon over")
	clusterSeed   = flag.Uint64("cluster.seed", 0, "which faults, in which order; 0: a new seed, printed")
)

// clusterStorm is three hosts and three members of etcd, to which things are done.
type clusterStorm struct {
	t       *testing.T
	rand    *rand.Rand
	dir     string
	apps    []cluster.App
	members []*etcdtest.Server
	hosts   []*stormHost
	client  *etcd.Client
	raw     *clientv3.Client
	pushes  int
	twins   int
	// compared is for how many faults the masters were the same before and after.
	compared int

	mu   sync.Mutex
	name string // of what is done now
	max  map[string]time.Duration
	done map[string]int
}

const (
	// longAway is for how long a host must be away for others to take over.
	longAway = 9 * time.Second
	// shortly is for how long one may be away and nobody moves.
	shortly = 2 * time.Second
)

// TestClusterStorm disturbs three real daemons and three members of etcd while a checker
// looks whether what is promised holds.
func TestClusterStorm(t *testing.T) {
	needKit(t)
	etcdtest.Need(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root: a host is a namespace of processes")
	}
	needNamespaces(t, "namespaces of processes and mounts", "true")
	t.Parallel()
	seed := *clusterSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: make chaos CLUSTER=1 SEED=%[1]d repeats it", seed)
	s := newClusterStorm(t, seed)
	s.setUp()
	check := &clusterChecker{s: s, client: s.client, over: make(chan struct{})}
	check.begin()
	defer check.end()
	faults := clusterFaultKinds
	n := *clusterFaults
	if n == 0 {
		faults = slices.DeleteFunc(slices.Clone(faults), func(f clusterFault) bool { return f.long })
		n = len(faults)
	}
	for n > 0 && !t.Failed() {
		order := s.rand.Perm(len(faults))
		for _, i := range order[:min(n, len(order))] {
			n--
			s.bring(faults[i])
			if t.Failed() {
				return
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.done)) {
		t.Logf("%3d × %s, as it should be after %.1f s at most", s.done[name], name, s.max[name].Seconds())
	}
	t.Logf("%s; masters compared %d times", check, s.compared)
}

func newClusterStorm(t *testing.T, seed uint64) *clusterStorm {
	return &clusterStorm{t: t, rand: rand.New(rand.NewPCG(seed, 1)), max: map[string]time.Duration{}, done: map[string]int{}}
}

func (s *clusterStorm) fault() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.name
}

func (s *clusterStorm) bring(f clusterFault) {
	s.t.Helper()
	s.mu.Lock()
	s.name = f.name
	s.done[f.name]++
	s.mu.Unlock()
	f.do(s)
	began := time.Now()
	s.settled(s.hosts...)
	s.max[f.name] = max(s.max[f.name], time.Since(began))
}

// settled waits until each app is served by just the hosts that it belongs on, and tells by
// which of their masters.
func (s *clusterStorm) settled(hosts ...*stormHost) map[string]string {
	s.t.Helper()
	var there []cluster.Host
	byID := map[string]*stormHost{}
	for _, h := range hosts {
		there = append(there, cluster.Host{ID: h.id, Region: "eu1"})
		byID[h.id] = h
	}
	placed := cluster.Place(s.apps, there)
	var wrong []string
	var masters map[string]string
	right := await.Until(3*time.Minute, 50*time.Millisecond, func() bool {
		wrong, masters = nil, map[string]string{}
		for _, a := range s.apps {
			var by []string
			for h, who := range s.served(a.Name) {
				if byID[h.id] != nil { // whoever is cut off serves on
					by = append(by, h.id)
					masters[a.Name+" on "+h.id] = who
				}
			}
			slices.Sort(by)
			if !slices.Equal(by, placed[a.Name]) {
				wrong = append(wrong, fmt.Sprintf("%s is served by %v and belongs on %v", a.Name, by, placed[a.Name]))
			}
		}
		return len(wrong) == 0 || s.t.Failed()
	})
	if !right {
		s.t.Fatalf("%s: never as it should be: %s", s.fault(), strings.Join(wrong, "; "))
	}
	return masters
}

func (s *clusterStorm) setUp() {
	t := s.t
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("/tmp", "w")
	must(err)
	s.dir = dir
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(os.Chmod(dir, 0o755))
	s.members = etcdtest.Parted(t, 3)
	cfg := etcd.Config{Prefix: "/wsgid/storm", Limit: 10 * time.Second}
	for _, m := range s.members {
		cfg.Endpoints = append(cfg.Endpoints, m.Endpoint)
	}
	s.client = etcd.New(cfg)
	t.Cleanup(s.client.Close)
	s.raw, err = clientv3.New(clientv3.Config{Endpoints: cfg.Endpoints, Logger: zap.NewNop()})
	must(err)
	t.Cleanup(func() { _ = s.raw.Close() })
	for i, name := range []string{"a", "b", "c", "d", "e"} {
		s.apps = append(s.apps, cluster.App{Name: name, Backends: []cluster.Backend{{Region: "eu1", Count: 1 + i%2}}})
	}
	s.push()
	for _, id := range []string{"one", "two", "three"} {
		h := s.newHost(id, id)
		h.start()
		s.hosts = append(s.hosts, h)
	}
	s.name = "the start"
	s.settled(s.hosts...)
}

// newHost prepares a host.
func (s *clusterStorm) newHost(id, folder string) *stormHost {
	t := s.t
	t.Helper()
	h := &stormHost{t: t, id: id, dir: filepath.Join(s.dir, folder)}
	for _, app := range s.apps {
		code := filepath.Join(h.dir, app.Name, "app")
		if err := os.MkdirAll(code, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(code, "m.py"), []byte("import os\ndef application(e, s):\n s('200 OK', [])\n return [b'%d' % os.getppid()]\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range s.members {
		h.relays = append(h.relays, etcdtest.NewRelay(t, m.Endpoint))
	}
	t.Cleanup(func() {
		h.kill()
		if t.Failed() {
			t.Logf("host %s:\n%s", h.id, h.log())
		}
	})
	return h
}

// texts are the specs; number makes them other ones.
func (s *clusterStorm) texts(number int) cluster.Texts {
	t := cluster.Texts{Files: map[string][]byte{}}
	for _, a := range s.apps {
		t.Files[a.Name+".hcl"] = fmt.Appendf(nil, "# %d\napp %q {\n path = \"${env(\"MACHINE\")}/%[2]s\"\n wsgi_app = \"m:application\"\n user = \"www-data\"\n backends {\n region = \"eu1\"\n count = %d\n }\n sockets {\n http {\n listen = \"unix:${env(\"MACHINE\")}/%[2]s.sock\"\n }\n }\n}\n", number, a.Name, a.Backends[0].Count)
	}
	return t
}

// push brings specs that say the same in other words, until etcd takes them.
func (s *clusterStorm) push() {
	s.t.Helper()
	s.pushes++
	await.Nil(s.t, 2*time.Minute, "a push to go through, at "+s.fault(), func() error {
		_, _, err := s.client.Push(s.t.Context(), s.texts(s.pushes), "storm")
		return err
	})
}

// there waits until etcd tells of all hosts, so that a cut that is over is over for all.
func (s *clusterStorm) there() {
	s.t.Helper()
	await.Nil(s.t, 2*time.Minute, "the hosts to be back, at "+s.fault(), func() error {
		v, err := s.client.View(s.t.Context())
		if err == nil && len(v.Hosts) != len(s.hosts) {
			err = fmt.Errorf("there are %v", v.Hosts)
		}
		return err
	})
}

func (s *clusterStorm) host() (h *stormHost, others []*stormHost) {
	h = s.hosts[s.rand.IntN(len(s.hosts))]
	return h, slices.DeleteFunc(slices.Clone(s.hosts), func(o *stormHost) bool { return o == h })
}

func (s *clusterStorm) member() *etcdtest.Server { return s.members[s.rand.IntN(len(s.members))] }

// leader is the member that leads, as far as it can be told now.
func (s *clusterStorm) leader() *etcdtest.Server {
	for _, m := range s.members {
		ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
		st, err := s.raw.Status(ctx, m.Endpoint)
		cancel()
		if err == nil && st.Leader == st.Header.MemberId {
			return m
		}
	}
	return s.member()
}

// quiet does something by which no process is to be touched as long as no host leaves.
func (s *clusterStorm) quiet(do func()) {
	s.t.Helper()
	v, err := s.client.View(s.t.Context())
	if err != nil || len(v.Hosts) < len(s.hosts) { // a slow machine
		do()
		s.there()
		return
	}
	// At one look at which nothing is missing: a worker may just be replaced.
	before := s.settled(s.hosts...)
	do()
	s.there()
	if s.stayed(v.Revision) {
		s.compared++
		s.untouched(before)
	}
}

var errNoWinner = errors.New("nobody won")

// pushTwo pushes from two sides: who is told that it won is what etcd has.
func (s *clusterStorm) pushTwo() error {
	var wg sync.WaitGroup
	errs := make([]error, 2)
	base := s.pushes
	for i := range errs {
		wg.Go(func() { _, _, errs[i] = s.client.Push(s.t.Context(), s.texts(base+1+i), "storm") })
	}
	wg.Wait()
	s.pushes += 2
	got, err := s.client.Texts(s.t.Context())
	if err != nil {
		return err
	}
	for i, err := range errs {
		if err == nil && got.Digest() == s.texts(base+1+i).Digest() {
			return nil
		}
	}
	return fmt.Errorf("%w: %w", errNoWinner, errors.Join(errs...))
}
