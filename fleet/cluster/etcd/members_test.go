package etcd

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// leader is which of the servers leads.
func leader(t *testing.T, c *Client, servers []*etcdtest.Server) (at int) {
	t.Helper()
	cl, err := c.conn()
	if err != nil {
		t.Fatal(err)
	}
	await.True(t, "somebody leads", func() bool {
		for i, s := range servers {
			st, err := cl.Status(t.Context(), s.Endpoint)
			if err == nil && st.Leader == st.Header.MemberId {
				at = i
				return true
			}
		}
		return false
	})
	return at
}

// TestHostsGoOnWhileMembersDie: of three members one dies, the leader is
// stopped, then two are gone and come back. Hosts keep what they run all the while, and
// with a majority they follow.
func TestHostsGoOnWhileMembersDie(t *testing.T) {
	t.Parallel()
	servers := etcdtest.Cluster(t, 3)
	apps := someApps(8)
	push(t, fleetAt(t, servers...), textsOf("a.hcl", "0"))
	asks := func() *Client { return fleetWithin(t, 3*time.Second, servers...) }
	a, b := joinBy(t, asks(), "a", t.TempDir(), apps...), joinBy(t, asks(), "b", t.TempDir(), apps...)
	await.True(t, "a and b share", func() bool { return spread(apps, a, b) && len(a.runs()) > 0 && len(b.runs()) > 0 })
	was := [2][]string{a.runs(), b.runs()}
	n := 0
	follow := func(when string) {
		t.Helper()
		n++
		want := textsOf("a.hcl", fmt.Sprint(n))
		await.True(t, when+": a push goes through", func() bool { _, _, err := a.c.Push(t.Context(), want, "test"); return err == nil })
		await.True(t, when+": both hosts have it", func() bool {
			_, x := a.mirror.Current()
			_, y := b.mirror.Current()
			return x == want.Digest() && y == want.Digest()
		})
		if got := [2][]string{a.runs(), b.runs()}; !slices.Equal(got[0], was[0]) || !slices.Equal(got[1], was[1]) {
			t.Fatalf("%s: the hosts run %v, not %v", when, got, was)
		}
	}
	follow("all are there")
	servers[0].Kill()
	follow("one member is dead")
	servers[0].Run()
	servers[0].Wait()
	l := leader(t, a.c, servers)
	servers[l].Signal(syscall.SIGSTOP)
	follow("the leader is stopped")
	servers[l].Signal(syscall.SIGCONT)
	follow("it goes on")
	gone := []*etcdtest.Server{servers[0], servers[1]}
	for _, s := range gone {
		s.Kill()
	}
	await.True(t, "a notices that the majority is lost", func() bool { a.Member.mu.Lock(); defer a.Member.mu.Unlock(); return a.trouble != "" })
	if got := [2][]string{a.runs(), b.runs()}; !slices.Equal(got[0], was[0]) || !slices.Equal(got[1], was[1]) {
		t.Fatalf("without a majority the hosts run %v, not %v", got, was)
	}
	for _, s := range gone {
		s.Run()
	}
	follow("the majority is back")
}
