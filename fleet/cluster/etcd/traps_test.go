package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// raw is etcd's own client.
func raw(t testing.TB, c *Client) *clientv3.Client {
	t.Helper()
	var cl *clientv3.Client
	await.True(t, "etcd is connected", func() bool {
		var err error
		cl, err = c.conn()
		return err == nil
	})
	return cl
}

// TestALeaseStartsAnewWithEachLeader: a host that dies just before etcd's leader does is
// there for a whole time to live more, and its apps move only then.
func TestALeaseStartsAnewWithEachLeader(t *testing.T) {
	t.Parallel()
	etcdtest.Each(t, func(t *testing.T, start func(int, ...string) []*etcdtest.Server) {
		servers := start(3)
		c := fleetAt(t, servers...)
		push(t, c, textsOf("a.hcl", "0"))
		cl := raw(t, c)
		const ttl = 4 * time.Second
		key := c.key("hosts", "dead")
		for {
			lease, err := cl.Grant(t.Context(), int64(ttl/time.Second))
			if err != nil {
				t.Fatal(err)
			}
			granted := time.Now()
			if _, err := cl.Put(t.Context(), key, `{"region":"eu1"}`, clientv3.WithLease(lease.ID)); err != nil {
				t.Fatal(err)
			}
			l := leader(t, c, servers)
			time.Sleep(ttl/2 - time.Since(granted))
			killed := time.Now()
			servers[l].Kill()
			if killed.Sub(granted) > ttl-time.Second {
				servers[l].Run() // the machine was too busy: the lease may have ended before
				servers[l].Wait()
				continue
			}
			await.True(t, "the host is gone", func() bool {
				got, err := cl.Get(t.Context(), key)
				return err == nil && len(got.Kvs) == 0
			})
			if lived := time.Since(killed); lived < ttl {
				t.Errorf("the lease of %v ended %v after the leader, and %v after its grant", ttl, lived, time.Since(granted))
			}
			return
		}
	})
}

// TestTwoSecondsAreTheLeast: a shorter time to live is not what etcd gives; a host that
// asks for one stays.
func TestTwoSecondsAreTheLeast(t *testing.T) {
	t.Parallel()
	etcdtest.Each(t, func(t *testing.T, start func(int, ...string) []*etcdtest.Server) {
		c := fleetAt(t, start(1)...)
		cl := raw(t, c)
		for _, ask := range []int64{1, 2, 3} {
			lease, err := cl.Grant(t.Context(), ask)
			if err != nil || lease.TTL != max(ask, 2) {
				t.Errorf("%d s asked for: %+v, %v", ask, lease, err)
			}
		}
		push(t, c, textsOf("a.hcl", "0"))
		apps := someApps(1)
		h := joinBy(t, c, "a", t.TempDir(), apps...)
		h.end()
		h.TTL = time.Second
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.Run(ctx, h.load, func() map[string]cluster.Endpoint { return map[string]cluster.Endpoint{"app0": {Ready: true}} })
		}()
		defer func() { cancel(); <-done }()
		await.True(t, "it is there with what it serves", func() bool {
			v, err := c.View(t.Context())
			return err == nil && v.Ready("app0", "a")
		})
		// On a busy machine it may lose its lease, and come back.
		var left *clientv3.LeaseTimeToLiveResponse
		await.True(t, "its lease", func() bool {
			got, err := cl.Get(t.Context(), c.key("hosts", "a"))
			if err != nil || len(got.Kvs) != 1 {
				return false
			}
			left, err = cl.TimeToLive(t.Context(), clientv3.LeaseID(got.Kvs[0].Lease))
			return err == nil && left.TTL > 0
		})
		if left.GrantedTTL != 2 {
			t.Errorf("its lease: %+v", left)
		}
	})
}

// TestAHostGoesInOneRevision: a lease that ends takes all its keys at once, so nobody sees
// a host that is half gone.
func TestAHostGoesInOneRevision(t *testing.T) {
	t.Parallel()
	etcdtest.Each(t, func(t *testing.T, start func(int, ...string) []*etcdtest.Server) {
		servers := start(1)
		apps := someApps(150) // more than one transaction holds
		c := fleetAt(t, servers...)
		push(t, c, textsOf("a.hcl", "0"))
		h := joinBy(t, c, "a", t.TempDir(), apps...)
		var v *View
		await.True(t, "all apps are told", func() bool {
			var err error
			v, err = c.View(t.Context())
			return err == nil && len(v.Endpoints) == len(apps)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cl := raw(t, fleetAt(t, servers...))
		events := cl.Watch(ctx, c.key(""), clientv3.WithPrefix(), clientv3.WithRev(v.Revision+1))
		h.end()
		revisions, keys := map[int64]bool{}, 0
		for keys < len(apps)+1 {
			r, ok := <-events
			if !ok || r.Err() != nil {
				t.Fatalf("%d keys went; %v", keys, r.Err())
			}
			for _, ev := range r.Events {
				if ev.Type == clientv3.EventTypeDelete {
					keys++
					revisions[ev.Kv.ModRevision] = true
				}
			}
		}
		if len(revisions) != 1 {
			t.Errorf("a host with its %d keys went in %d steps", keys, len(revisions))
		}
	})
}

// TestAForbiddenWatchEnds: it gives one cancelled answer and closes, so whoever follows
// ends too, says why, and follows as soon as it may.
func TestAForbiddenWatchEnds(t *testing.T) {
	t.Parallel()
	etcdtest.Each(t, func(t *testing.T, start func(int, ...string) []*etcdtest.Server) {
		root := fleetAt(t, start(1)...)
		push(t, root, textsOf("a.hcl", "0"))
		cl := raw(t, root)
		ctx, over := context.WithTimeout(t.Context(), 2*await.Patience)
		defer over()
		for _, role := range []string{"root", "fleet"} {
			obeyed(t, "role "+role, func() error { _, err := cl.RoleAdd(ctx, role); return err })
		}
		for _, user := range []string{"root", "host"} {
			obeyed(t, "user "+user, func() error { _, err := cl.UserAdd(ctx, user, "secret"); return err })
		}
		obeyed(t, "the role of root", func() error { _, err := cl.UserGrantRole(ctx, "root", "root"); return err })
		obeyed(t, "users count", func() error { _, err := cl.AuthEnable(ctx); return err })
		as := func(user string) *Client {
			c := New(Config{Endpoints: root.cfg.Endpoints, Prefix: root.cfg.Prefix, Limit: root.cfg.Limit, User: user, PasswordFile: passwordFile(t, "secret")})
			t.Cleanup(c.Close)
			return c
		}
		c, admin := as("host"), raw(t, as("root"))
		answers := 0
		for r := range raw(t, c).Watch(ctx, c.key("meta", "generation")) {
			answers++
			if err := c.explain("watch", r.Err()); !r.Canceled || !strings.Contains(err.Error(), "grant its role") {
				t.Errorf("the watch says %+v, %v", r, err)
			}
		}
		if answers != 1 {
			t.Errorf("a watch that is forbidden gave %d answers", answers)
		}
		c.Watch(ctx, func() { t.Error("a watch that is forbidden gives a hint") }) // it ends
		if ctx.Err() != nil {
			t.Fatalf("a watch that is forbidden has not ended within %v", 2*await.Patience)
		}
		var seen atomic.Bool
		why := make(chan string, 1)
		octx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Observe(octx, func(*View) time.Time { seen.Store(true); return time.Time{} }, func(err error) {
				if err != nil {
					select {
					case why <- err.Error():
					default:
					}
				}
			})
		}()
		defer func() { cancel(); <-done }()
		var text string
		await.True(t, "who follows is told why not", func() bool {
			select {
			case text = <-why:
			default:
			}
			return text != ""
		})
		if !strings.Contains(text, "grant its role readwrite on the prefix "+c.cfg.Prefix+"/") {
			t.Errorf("who follows is told: %s", text)
		}
		obeyed(t, "the role of host", func() error { _, err := admin.UserGrantRole(ctx, "host", "fleet"); return err })
		obeyed(t, "what it may do", func() error {
			_, err := admin.RoleGrantPermission(ctx, "fleet", c.cfg.Prefix+"/", c.cfg.Prefix+"0", clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		})
		await.True(t, "it follows", seen.Load)
	})
}

// TestWithoutALPNItSaysSo: what ends TLS before etcd must offer HTTP/2 by ALPN, or the
// client refuses it; the message tells what to change.
func TestWithoutALPNItSaysSo(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t, "ca")
	pair := ours.issue("server").TLS()
	server := etcdtest.Start(t)
	behind := func(protocols ...string) *Client {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: protocols, MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					s, err := net.Dial("tcp", server.Endpoint)
					if err != nil {
						return
					}
					defer s.Close()
					go func() { _, _ = io.Copy(s, c) }()
					_, _ = io.Copy(c, s)
				}()
			}
		}()
		c := New(Config{Endpoints: []string{l.Addr().String()}, Prefix: "/wsgid/alpn", CA: ours.file("ca.pem"), Limit: 20 * time.Second})
		t.Cleanup(c.Close)
		return c
	}
	if _, err := behind("h2").Texts(t.Context()); !errors.Is(err, ErrNothing) {
		t.Errorf("by a proxy with h2: %v", err)
	}
	c := behind()
	c.cfg.Limit = 3 * time.Second
	if _, err := c.Texts(t.Context()); err == nil || !strings.Contains(err.Error(), "have it offer h2 by ALPN") {
		t.Errorf("by a proxy without it: %v", err)
	}
}

// TestAWatchBehindACompactionIsTakenUp: while a host hears nothing, specs change and
// etcd forgets how. The host lists anew.
func TestAWatchBehindACompactionIsTakenUp(t *testing.T) {
	t.Parallel()
	etcdtest.Each(t, func(t *testing.T, start func(int, ...string) []*etcdtest.Server) {
		s := start(1)[0]
		c := fleetAt(t, s)
		push(t, c, textsOf("a.hcl", "0"))
		relay := etcdtest.NewRelay(t, s.Endpoint)
		behind := New(Config{Endpoints: []string{relay.Endpoint}, Prefix: c.cfg.Prefix, Limit: 3 * time.Second})
		t.Cleanup(behind.Close)
		h := joinRelisting(t, behind, time.Hour, "a", t.TempDir(), someApps(1)...)
		await.True(t, "it is there", func() bool { v, err := c.View(t.Context()); return err == nil && v.Ready("app0", "a") })
		relay.Hold(etcdtest.ToServer, etcdtest.ToClient)
		var last int64
		for i := range 3 {
			last = push(t, c, textsOf("a.hcl", fmt.Sprint(i+1)))
		}
		v, err := c.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw(t, c).Compact(t.Context(), v.Revision); err != nil {
			t.Fatal(err)
		}
		// A watch from before it is told so, once.
		ctx, over := context.WithTimeout(t.Context(), await.Patience)
		defer over()
		r := <-raw(t, c).Watch(ctx, c.key("meta", "generation"), clientv3.WithRev(2))
		if r.CompactRevision != v.Revision || !r.Canceled {
			t.Errorf("a watch from before the compaction: %+v", r)
		}
		relay.Drop()
		relay.Pass(etcdtest.ToServer, etcdtest.ToClient)
		await.True(t, "it has the last texts", func() bool { now, _ := h.mirror.Current(); return now == last })
		if got := h.runs(); !slices.Equal(got, []string{"app0"}) {
			t.Errorf("it runs %v", got)
		}
	})
}

// TestBoundsOfATransaction: servers refuse more than 128 operations and 1.5 MiB, the
// client 2 MiB, each with words of its own; a push of more than that goes through.
func TestBoundsOfATransaction(t *testing.T) {
	t.Parallel()
	etcdtest.Each(t, func(t *testing.T, start func(int, ...string) []*etcdtest.Server) {
		c := fleetAt(t, start(1)...)
		cl := raw(t, c)
		puts := func(n, size int) (ops []clientv3.Op) {
			for i := range n {
				ops = append(ops, clientv3.OpPut(fmt.Sprintf("/other/%d", i), strings.Repeat("x", size)))
			}
			return ops
		}
		for _, bound := range []struct {
			n, size int
			says    string
		}{
			{128, 1, ""}, {129, 1, "too many operations"}, {2, 700 << 10, ""}, {2, 800 << 10, "request is too large"}, {3, 800 << 10, "larger than max"},
		} {
			_, err := cl.Txn(t.Context()).Then(puts(bound.n, bound.size)...).Commit()
			if (err == nil) != (bound.says == "") || err != nil && !strings.Contains(err.Error(), bound.says) {
				t.Errorf("%d texts of %d bytes: %v; want %q", bound.n, bound.size, err, bound.says)
			}
		}
		many := cluster.Texts{Files: map[string][]byte{}}
		for i := range 129 {
			many.Files[fmt.Sprintf("app-%03d.hcl", i)] = []byte(strings.Repeat("x", 20<<10))
		}
		g := push(t, c, many)
		if got, err := c.Texts(t.Context()); err != nil || got.Generation != g || got.Digest() != many.Digest() {
			t.Errorf("a push of %d texts of 20 KiB: %v", len(many.Files), err)
		}
	})
}

// TestAnEmptyAnswerRemovesNothing: whatever part of a fleet's keys is deleted, no host lets
// go of an app or of a spec.
func TestAnEmptyAnswerRemovesNothing(t *testing.T) {
	t.Parallel()
	etcdtest.Each(t, func(t *testing.T, start func(int, ...string) []*etcdtest.Server) {
		servers := start(1)
		c := fleetAt(t, servers...)
		push(t, c, textsOf("a.hcl", "1", "b.hcl", "2"))
		apps := someApps(8)
		a, b := joinBy(t, fleetAt(t, servers...), "a", t.TempDir(), apps...), joinBy(t, fleetAt(t, servers...), "b", t.TempDir(), apps...)
		await.True(t, "a and b share", func() bool { return spread(apps, a, b) && len(a.runs()) > 0 && len(b.runs()) > 0 })
		await.True(t, "both have the texts", func() bool {
			x, _ := a.mirror.Current()
			y, _ := b.mirror.Current()
			return x == 1 && y == 1
		})
		was := [2][]string{a.runs(), b.runs()}
		for _, part := range []string{"specs", "meta", "endpoints", "hosts", ""} {
			if _, err := raw(t, c).Delete(t.Context(), c.key(part), clientv3.WithPrefix()); err != nil {
				t.Fatal(err)
			}
			// Both have seen it when they have looked at all of it since.
			for _, h := range []*host{a, b} {
				if err := h.list(t.Context(), h.load, false); err != nil {
					t.Fatal(err)
				}
			}
			await.True(t, part+": both are there again", func() bool {
				v, err := c.View(t.Context())
				return err == nil && len(v.Hosts) == 2 && len(v.Endpoints) == len(apps)
			})
			if got := [2][]string{a.runs(), b.runs()}; !slices.Equal(got[0], was[0]) || !slices.Equal(got[1], was[1]) {
				t.Fatalf("%q emptied: the hosts run %v, not %v", part, got, was)
			}
			for _, h := range []*host{a, b} {
				if texts, err := h.mirror.Texts(t.Context()); err != nil || texts.Generation != 1 || len(texts.Files) != 2 {
					t.Fatalf("%q emptied: %s has %+v, %v", part, h.ID(), texts, err)
				}
			}
		}
		if _, _, err := c.Push(t.Context(), cluster.Texts{}, "test"); err == nil {
			t.Error("a push of nothing empties the fleet")
		}
	})
}

// TestHostsAgree: of many who write one is first, and who knows what is there may put
// something else in its place.
func TestHostsAgree(t *testing.T) {
	t.Parallel()
	c := fleetAt(t, etcdtest.Start(t))
	if held, err := c.Agree(t.Context(), "app/x", "", ""); err != nil || held != "" {
		t.Fatalf("nothing is there, and it says %q, %v", held, err)
	}
	var wg sync.WaitGroup
	held := make([]string, 8)
	for i := range held {
		wg.Go(func() {
			var err error
			if held[i], err = c.Agree(t.Context(), "app/x", fmt.Sprint("of ", i), ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if slices.ContainsFunc(held, func(h string) bool { return h == "" || h != held[0] }) {
		t.Fatalf("they hold %q", held)
	}
	for _, step := range []struct{ mine, instead, want string }{
		{"", "", held[0]}, {"no", "other", held[0]}, {"next", held[0], "next"}, {"", "", "next"},
	} {
		if now, err := c.Agree(t.Context(), "app/x", step.mine, step.instead); err != nil || now != step.want {
			t.Errorf("%+v: %q, %v", step, now, err)
		}
	}
}
