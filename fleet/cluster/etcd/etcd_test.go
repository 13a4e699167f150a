package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// fleetAt is a client of a fleet of the test's own.
func fleetAt(t testing.TB, servers ...*etcdtest.Server) *Client {
	t.Helper()
	return fleetWithin(t, 20*time.Second, servers...)
}

// fleetWithin waits for an answer for no longer than limit.
func fleetWithin(t testing.TB, limit time.Duration, servers ...*etcdtest.Server) *Client {
	t.Helper()
	cfg := Config{Limit: limit, Prefix: "/wsgid/" + strings.ToLower(t.Name())}
	for _, s := range servers {
		cfg.Endpoints = append(cfg.Endpoints, s.Endpoint)
	}
	c := New(cfg)
	t.Cleanup(c.Close)
	return c
}

func textsOf(pairs ...string) cluster.Texts {
	t := cluster.Texts{Files: map[string][]byte{}}
	for i := 0; i < len(pairs); i += 2 {
		t.Files[pairs[i]] = []byte(pairs[i+1])
	}
	return t
}

func push(t testing.TB, c *Client, texts cluster.Texts) int64 {
	t.Helper()
	g, _, err := c.Push(t.Context(), texts, "test")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestParse(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"etcd://a:2379,b:23790/wsgid/eu": "[a:2379 b:23790] /wsgid/eu",
		"etcd://a":                       "[a:2379] /wsgid/default",
		"etcd://[::1]:2379/x/":           "[[::1]:2379] /x",
		"etcd://[::1]":                   "[[::1]:2379] /wsgid/default",
	} {
		c, err := Parse(source)
		if got := fmt.Sprint(c.Endpoints, " ", c.Prefix); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", source, got, err, want)
		}
	}
	for _, source := range []string{"http://a", "etcd://", "etcd://a,,b", "etcd://me@a:1", "etcd://a/../b", "etcd://:2379"} {
		if c, err := Parse(source); err == nil {
			t.Errorf("%s is taken for %+v", source, c)
		}
	}
}

func TestPushAndPullBringTheSameFiles(t *testing.T) {
	t.Parallel()
	c := fleetAt(t, etcdtest.Start(t))
	if _, err := c.Texts(t.Context()); !errors.Is(err, ErrNothing) {
		t.Fatalf("before any push: %v", err)
	}
	first := textsOf("a.hcl", "app \"a\" {}\n", "defaults.hcl", "defaults {}\n")
	if g := push(t, c, first); g != 1 {
		t.Fatalf("the first generation is %d", g)
	}
	if g, changed, err := c.Push(t.Context(), first, "test"); err != nil || changed || g != 1 {
		t.Errorf("the same again: %d, %v, %v", g, changed, err)
	}
	second := textsOf("b.hcl", "app \"b\" {}\n")
	if g := push(t, c, second); g != 2 {
		t.Errorf("the second generation is %d", g)
	}
	got, err := c.Texts(t.Context())
	if err != nil || got.Generation != 2 || !maps.EqualFunc(got.Files, second.Files, bytes.Equal) {
		t.Errorf("it brings %+v, %v", got, err)
	}
}

// TestAPushOfManyFilesIsOneSwitch: servers take 128 operations and 1.5 MiB at a time, and
// no reader sees a part.
func TestAPushOfManyFilesIsOneSwitch(t *testing.T) {
	t.Parallel()
	c := fleetAt(t, etcdtest.Start(t))
	many := func(word string) cluster.Texts {
		t := cluster.Texts{Files: map[string][]byte{}}
		for i := range 300 {
			t.Files[fmt.Sprintf("app-%03d.hcl", i)] = []byte(strings.Repeat(word, 10000))
		}
		return t
	}
	push(t, c, many("a"))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			got, err := c.Texts(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			if len(got.Files) != 300 {
				t.Errorf("a reader sees %d files", len(got.Files))
			}
		}
	})
	push(t, c, many("b"))
	push(t, c, many("c"))
	cancel()
	wg.Wait()
	cl, err := c.conn()
	if err != nil {
		t.Fatal(err)
	}
	got, err := cl.Get(t.Context(), c.key("specs", ""), clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || got.Count != 600 {
		t.Errorf("%d texts lie there, %v: want those of this generation and of the one before", got.Count, err)
	}
}

// TestOfTwoPushersOneIsTold, and what it staged is gone.
func TestOfTwoPushersOneIsTold(t *testing.T) {
	t.Parallel()
	c := fleetAt(t, etcdtest.Start(t))
	push(t, c, textsOf("a.hcl", "0"))
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			_, _, errs[i] = c.Push(t.Context(), textsOf("a.hcl", fmt.Sprint(i+1)), "test")
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, ErrOvertaken):
			t.Error(err)
		}
	}
	got, err := c.Texts(t.Context())
	if err != nil || got.Generation != int64(won)+1 || won == 0 {
		t.Errorf("%d pushers were told that they won, and it is generation %d, %v", won, got.Generation, err)
	}
}

func TestATextThatIsTooLargeIsNamed(t *testing.T) {
	t.Parallel()
	c := fleetAt(t, etcdtest.Start(t))
	_, _, err := c.Push(t.Context(), textsOf("a.hcl", "x", "big.hcl", strings.Repeat("x", cluster.MaxText+1)), "test")
	if err == nil || !strings.Contains(err.Error(), "big.hcl") {
		t.Fatal(err)
	}
	if _, err := c.Texts(t.Context()); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
}

// host is a member without a daemon.
type host struct {
	*Member
	c       *Client
	stop    context.CancelFunc
	done    chan struct{}
	mu      sync.Mutex
	serving map[string]cluster.Endpoint
	apps    []cluster.App
	auto    bool // it serves at once what it is to run
	log     bytes.Buffer
}

func (h *host) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(b)
}

// join starts a host. It acts as a daemon: reads, asks what is elsewhere, serves.
func join(t testing.TB, servers []*etcdtest.Server, id, dir string, apps ...cluster.App) *host {
	t.Helper()
	c := fleetAt(t, servers...)
	if _, err := c.Texts(t.Context()); errors.Is(err, ErrNothing) {
		push(t, c, textsOf("a.hcl", "app \"a\" {}"))
	}
	return joinBy(t, c, id, dir, apps...)
}

// joinBy joins a fleet that has its texts, or that cannot be asked.
func joinBy(t testing.TB, c *Client, id, dir string, apps ...cluster.App) *host {
	t.Helper()
	return joinRelisting(t, c, 5*time.Second, id, dir, apps...)
}

// joinRelisting joins one as a host that lists all anew so often.
func joinRelisting(t testing.TB, c *Client, relist time.Duration, id, dir string, apps ...cluster.App) *host {
	t.Helper()
	h := &host{c: c, serving: map[string]cluster.Endpoint{}, apps: apps, auto: true, done: make(chan struct{})}
	h.Member = NewMember(h.c, dir, cluster.Host{ID: id, Region: "eu1"})
	h.TTL, h.Relist = 10*time.Second, relist // a busy machine is not to lose its lease
	if len(c.cfg.Endpoints) > 1 {
		h.TTL = 30 * time.Second // nor while members elect a leader
	}
	h.members.Join, h.members.Grace = time.Second, 500*time.Millisecond
	h.Log = slog.New(slog.NewTextHandler(h, nil))
	if err := h.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	h.load()
	go func() {
		defer close(h.done)
		h.Run(ctx, h.load, func() map[string]cluster.Endpoint {
			h.mu.Lock()
			defer h.mu.Unlock()
			return maps.Clone(h.serving)
		})
	}()
	t.Cleanup(func() {
		h.end()
		if t.Failed() {
			t.Logf("host %s runs %v:\n%s", id, h.runs(), h.log.String())
		}
	})
	return h
}

func (h *host) end() {
	h.stop()
	<-h.done
}

// load is a daemon's: it must not wait for the member.
func (h *host) load() {
	go func() {
		elsewhere := h.Elsewhere(h.apps)
		h.mu.Lock()
		for _, a := range h.apps {
			if elsewhere[a.Name] == "" {
				h.serving[a.Name] = cluster.Endpoint{Ready: h.auto}
			} else {
				delete(h.serving, a.Name)
			}
		}
		h.mu.Unlock()
		h.Report()
	}()
}

func (h *host) runs() (apps []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.serving))
}

func someApps(n int) (apps []cluster.App) {
	for i := range n {
		apps = append(apps, cluster.App{Name: fmt.Sprintf("app%d", i), Backends: []cluster.Backend{{Region: "eu1", Count: 1}}})
	}
	return apps
}

// spread tells whether hosts together run each app once, as it is placed.
func spread(apps []cluster.App, hosts ...*host) bool {
	n := 0
	for _, h := range hosts {
		n += len(h.runs())
	}
	all := map[string]bool{}
	for _, h := range hosts {
		for _, a := range h.runs() {
			all[a] = true
		}
	}
	return n == len(apps) && len(all) == len(apps)
}

// TestHostsShareTheApps: they come one after another, one dies, its apps go to the
// others, and it comes back.
func TestHostsShareTheApps(t *testing.T) {
	t.Parallel()
	servers := []*etcdtest.Server{etcdtest.Start(t)}
	apps := someApps(12)
	a := join(t, servers, "a", t.TempDir(), apps...)
	await.True(t, "a runs all", func() bool { return spread(apps, a) })
	b := join(t, servers, "b", t.TempDir(), apps...)
	await.True(t, "a and b share", func() bool { return spread(apps, a, b) && len(a.runs()) < 12 && len(b.runs()) < 12 })
	b.end()
	await.True(t, "a runs all again", func() bool { return len(a.runs()) == 12 })
	c := join(t, servers, "c", t.TempDir(), apps...)
	await.True(t, "a and c share", func() bool { return spread(apps, a, c) && len(c.runs()) > 0 && len(c.runs()) < 12 })
}

// TestNothingMovesWithoutEtcd: away, stopped, emptied. What runs goes on, and a host
// that boots meanwhile runs what it ran.
func TestNothingMovesWithoutEtcd(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	servers := []*etcdtest.Server{s}
	apps := someApps(12)
	dirs := []string{t.TempDir(), t.TempDir()}
	push(t, fleetAt(t, servers...), textsOf("a.hcl", "app \"a\" {}"))
	// They wait for an answer for so long while there is none.
	asks := func() *Client { return fleetWithin(t, 3*time.Second, servers...) }
	a := joinBy(t, asks(), "a", dirs[0], apps...)
	b := joinBy(t, asks(), "b", dirs[1], apps...)
	await.True(t, "a and b share", func() bool { return spread(apps, a, b) && len(b.runs()) > 0 })
	await.True(t, "both have the texts", func() bool {
		g, _ := a.mirror.Current()
		h, _ := b.mirror.Current()
		return g == 1 && h == 1
	})
	was := [2][]string{a.runs(), b.runs()}
	same := func(when string) {
		t.Helper()
		if got := [2][]string{a.runs(), b.runs()}; !slices.Equal(got[0], was[0]) || !slices.Equal(got[1], was[1]) {
			t.Fatalf("%s: the hosts run %v, not %v", when, got, was)
		}
	}
	s.Kill()
	await.True(t, "a notices", func() bool { a.Member.mu.Lock(); defer a.Member.mu.Unlock(); return a.trouble != "" })
	await.True(t, "a says that it is away", func() bool { return strings.Contains(a.Trouble(), "does a majority of its members run?") })
	b.end()
	same("etcd is away")
	b = joinBy(t, asks(), "b", dirs[1], apps...)
	await.True(t, "b runs what it ran", func() bool { return slices.Equal(b.runs(), was[1]) })
	if got, err := b.mirror.Texts(t.Context()); err != nil || string(got.Files["a.hcl"]) != "app \"a\" {}" {
		t.Fatalf("its texts are %+v, %v", got, err)
	}
	s.Run()
	s.Wait()
	joined := func(h *host) bool {
		v, err := h.c.View(t.Context())
		return err == nil && v.Hosts["a"].ID != "" && v.Hosts["b"].ID != "" && len(v.Endpoints) == 12
	}
	await.True(t, "both are back", func() bool { return joined(a) })
	same("etcd is back")
	await.True(t, "a says that all is well", func() bool { return a.Trouble() == "" })
	cl, err := a.c.conn()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cl.Delete(t.Context(), a.c.key(""), clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	await.True(t, "both are back after somebody emptied it", func() bool { return joined(a) })
	same("somebody emptied etcd")
	if got, err := a.mirror.Texts(t.Context()); err != nil || got.Generation != 1 {
		t.Errorf("an empty etcd took the texts away: %+v, %v", got, err)
	}
}

// TestTwoHostsOfOneName: the second is refused and says why; the first does not notice,
// and it may come back after a restart.
func TestTwoHostsOfOneName(t *testing.T) {
	t.Parallel()
	servers := []*etcdtest.Server{etcdtest.Start(t)}
	apps := someApps(3)
	dir := t.TempDir()
	a := join(t, servers, "a", dir, apps...)
	await.True(t, "a runs all", func() bool { return spread(apps, a) })
	twin := join(t, servers, "a", t.TempDir(), apps...)
	await.True(t, "the twin says why", func() bool {
		twin.mu.Lock()
		defer twin.mu.Unlock()
		return strings.Contains(twin.log.String(), "another machine has this name")
	})
	if got := twin.runs(); len(got) != 0 {
		t.Errorf("the twin runs %v", got)
	}
	twin.end()
	a.end()
	again := join(t, servers, "a", dir, apps...)
	await.True(t, "a is back", func() bool { return spread(apps, again) })
}

// TestACordonedHostGivesItsAppsAway, and gets them back.
func TestACordonedHostGivesItsAppsAway(t *testing.T) {
	t.Parallel()
	servers := []*etcdtest.Server{etcdtest.Start(t)}
	apps := someApps(8)
	a := join(t, servers, "a", t.TempDir(), apps...)
	b := join(t, servers, "b", t.TempDir(), apps...)
	shared := func() bool { return spread(apps, a, b) && len(a.runs()) > 0 && len(b.runs()) > 0 }
	await.True(t, "a and b share", shared)
	if err := a.c.Cordon(t.Context(), "b", "test"); err != nil {
		t.Fatal(err)
	}
	await.True(t, "a runs all", func() bool { return spread(apps, a) && len(b.runs()) == 0 })
	if err := a.c.Uncordon(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	await.True(t, "a and b share again", shared)
	if err := a.c.Uncordon(t.Context(), "b"); err == nil {
		t.Error("a host that is not cordoned was uncordoned")
	}
}

// TestAWatchThatEndsIsTakenUp: a compaction behind which the watch is.
func TestAWatchThatEndsIsTakenUp(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	a := join(t, []*etcdtest.Server{s}, "a", t.TempDir(), someApps(1)...)
	for i := range 5 {
		g := push(t, a.c, textsOf("a.hcl", fmt.Sprint(i)))
		cl, err := a.c.conn()
		if err != nil {
			t.Fatal(err)
		}
		v, err := a.c.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cl.Compact(t.Context(), v.Revision); err != nil {
			t.Fatal(err)
		}
		if i == 2 { // and the server goes away under the watch
			s.Kill()
			s.Run()
			s.Wait()
		}
		await.True(t, "a has the texts", func() bool { now, _ := a.mirror.Current(); return now == g })
	}
}

// hears pushes a text, and waits until the host has it.
func (h *host) hears(t *testing.T, text string) {
	t.Helper()
	push(t, h.c, textsOf("a.hcl", text))
	await.True(t, "a host has the text "+text, func() bool {
		now, err := h.mirror.Texts(t.Context())
		return err == nil && string(now.Files["a.hcl"]) == text
	})
}

// makeAnew empties an etcd whose revisions a host has seen.
func makeAnew(t *testing.T, s *etcdtest.Server, h *host) {
	t.Helper()
	for i := range 19 {
		push(t, h.c, textsOf("a.hcl", fmt.Sprint(i)))
	}
	h.hears(t, "19")
	s.Kill()
	s.Forget()
	s.Run()
	s.Wait()
	h.hears(t, "anew")
}

// TestAStoreThatIsMadeAnew has revisions that the hosts have seen already: a watch that
// goes on from there would tell nothing until it has caught up.
func TestAStoreThatIsMadeAnew(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	a := join(t, []*etcdtest.Server{s}, "a", t.TempDir(), someApps(1)...)
	makeAnew(t, s, a)
	await.True(t, "a says what happened", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return strings.Contains(a.log.String(), "it was restored or recreated")
	})
	a.hears(t, "and again")
}

// TestAStoreThatIsMadeAnewIsSeenAtOnce lists at no time by itself: that etcd is another one, also
// one that is restored from a backup and knows the host, is told by what it answers by the way.
func TestAStoreThatIsMadeAnewIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	c := fleetAt(t, s)
	push(t, c, textsOf("a.hcl", "first"))
	a := joinRelisting(t, c, time.Hour, "a", t.TempDir(), someApps(1)...)
	makeAnew(t, s, a)
	a.hears(t, "and again")
	// Its lease is there, and nobody joins anew.
	a.Member.mu.Lock()
	a.view.Revision += 1000
	a.Member.mu.Unlock()
	await.True(t, "a finds what etcd has", func() bool { return a.seen() < 1000 })
}

// TestOnceIsAtMostOnce: of many hosts one begins, and what has ended stays.
func TestOnceIsAtMostOnce(t *testing.T) {
	t.Parallel()
	c := fleetAt(t, etcdtest.Start(t))
	var wg sync.WaitGroup
	var mu sync.Mutex
	var won []string
	for i := range 10 {
		wg.Go(func() {
			r := OnceRecord{Host: fmt.Sprintf("h%d", i), Machine: "m"}
			was, err := c.Begin(t.Context(), "r1", "migrate", r)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won = append(won, r.Host)
			case !errors.Is(err, ErrDone) || was == nil:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%v began it", won)
	}
	if err := c.End(t.Context(), "r1", "migrate", OnceRecord{Host: "other", Machine: "m", State: "done"}); err == nil {
		t.Error("another host ended it")
	}
	if err := c.End(t.Context(), "r1", "migrate", OnceRecord{Host: won[0], Machine: "m", State: "failed", Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	if err := c.End(t.Context(), "r1", "migrate", OnceRecord{Host: won[0], Machine: "m", State: "done"}); err == nil {
		t.Error("what failed became done")
	}
	if was, err := c.Begin(t.Context(), "r1", "migrate", OnceRecord{Host: "x"}); !errors.Is(err, ErrDone) || was.State != "failed" {
		t.Errorf("it was begun again: %+v, %v", was, err)
	}
}

// TestAFullDatabaseMovesNothing: with NOSPACE nobody can write, and hosts stay.
func TestAFullDatabaseMovesNothing(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t, "--quota-backend-bytes", "2000000")
	apps := someApps(6)
	a := join(t, []*etcdtest.Server{s}, "a", t.TempDir(), apps...)
	await.True(t, "a runs all", func() bool { return spread(apps, a) })
	cl, err := a.c.conn()
	if err != nil {
		t.Fatal(err)
	}
	await.True(t, "etcd is full", func() bool {
		_, err := cl.Put(t.Context(), "/other", strings.Repeat("x", 1<<19))
		return err != nil && strings.Contains(err.Error(), "database space exceeded")
	})
	_, _, err = a.c.Push(t.Context(), textsOf("a.hcl", "x"), "test")
	if err == nil || !strings.Contains(err.Error(), "etcdctl alarm disarm") {
		t.Errorf("a push says %v", err)
	}
	if err := a.list(t.Context(), func() {}, false); err == nil && !spread(apps, a) {
		t.Errorf("a runs %v", a.runs())
	}
	v, err := a.c.View(t.Context())
	if err != nil || v.Hosts["a"].ID == "" || !spread(apps, a) {
		t.Errorf("a is not there any more: %+v, %v", v, err)
	}
}
