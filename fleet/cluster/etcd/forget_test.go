package etcd

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

func TestForgetting(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		named, deployed bool
		mark            goneMark
		want            forgetStep
	}{
		{named: true, deployed: true},
		{named: true},
		{},
		{deployed: true, want: forgetMarks},
		{deployed: true, mark: goneMark{now.Add(-time.Hour), 7}},
		{deployed: true, mark: goneMark{now.Add(-forgetAfter), 7}, want: forgetNow},
		{deployed: true, mark: goneMark{now.Add(time.Hour), 7}, want: forgetMarks},
		{deployed: true, mark: goneMark{mod: 7}, want: forgetMarks}, // of another format
		{named: true, deployed: true, mark: goneMark{now.Add(-2 * forgetAfter), 7}, want: forgetUnmark},
		{mark: goneMark{now.Add(-time.Hour), 7}, want: forgetUnmark},
	} {
		if got := forgetting(tt.named, tt.deployed, tt.mark, now); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt, got, tt.want)
		}
	}
}

// TestAnAppThatIsGoneIsForgotten: what was ordered of an app that no spec names goes after a
// month, and not while it may come again; a later app of its name begins with nothing.
func TestAnAppThatIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	servers := []*etcdtest.Server{etcdtest.Start(t)}
	c := fleetAt(t, servers...)
	push(t, c, textsOf("a.hcl", "0"))
	put := func(key, value string) {
		t.Helper()
		if _, err := c.txn(t.Context(), "write", nil, []clientv3.Op{clientv3.OpPut(c.key(key), value)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	has := func(key string) bool {
		got, err := c.get(t.Context(), c.key(key), clientv3.WithPrefix())
		return err != nil || len(got.Kvs) > 0
	}
	const id = "20260102-030405"
	for _, app := range []string{"blog", "app0", "late"} {
		order, err := json.Marshal(cluster.Order{ID: id, App: app, Hosts: []string{"old"}})
		if err != nil {
			t.Fatal(err)
		}
		put("deploys/"+app+"/order", string(order))
		put("deploys/"+app+"/"+id+"/hosts/old", `{"state":"done","commit":"abc"}`)
		put("once/"+app+"@"+id+"/migrate", "{}")
		put("secrets/"+app+"/role", "sealed")
	}
	put("once/blogger@"+id+"/migrate", "{}")
	h := joinBy(t, fleetAt(t, servers...), "a", t.TempDir(), someApps(1)...)
	h.Member.mu.Lock()
	h.renames = func(o cluster.Order, _ string) (string, bool) { return "", o.App != "late" } // of late nobody can tell
	h.Member.mu.Unlock()
	await.True(t, "it is noted that blog is gone", func() bool { return has("gone/blog") && !has("gone/app0") })
	if !has("deploys/blog/order") || has("gone/late") {
		t.Fatal("it is forgotten at once, or what nobody can tell of is gone")
	}
	put("gone/blog", time.Now().Add(-forgetAfter-time.Hour).UTC().Format(time.RFC3339))
	await.True(t, "what was ordered of blog is forgotten", func() bool { return !has("deploys/blog/") && !has("once/blog@") && !has("gone/") })
	for _, key := range []string{"deploys/app0/order", "once/app0@" + id + "/migrate", "deploys/late/order", "once/blogger@" + id + "/migrate", "secrets/blog/role"} {
		if !has(key) {
			t.Errorf("%s is gone, too", key)
		}
	}
	// An app that is there again is not marked any more.
	put("gone/app0", time.Now().Add(-forgetAfter-time.Hour).UTC().Format(time.RFC3339))
	await.True(t, "app0 is there", func() bool { return !has("gone/app0") })
	if !has("deploys/app0/order") {
		t.Error("the order of an app that is there was forgotten")
	}
}

// TestOnceIsForgottenWithItsOrder: what ran once is of no interest to the next order, and
// nobody begins anything for one that is past.
func TestOnceIsForgottenWithItsOrder(t *testing.T) {
	t.Parallel()
	c := fleetAt(t, etcdtest.Start(t))
	order := func() (id string, mod int64) {
		t.Helper()
		id, err := c.order(t.Context(), cluster.Order{App: "blog", Hosts: []string{"a"}}, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		o, _, err := c.ordered(t.Context(), "blog")
		if err != nil {
			t.Fatal(err)
		}
		return id, o.mod
	}
	m := NewMember(c, t.TempDir(), cluster.Host{ID: "a"})
	id, mod := order()
	first := &task{m: m, order: cluster.Order{ID: id, App: "blog"}, mod: mod}
	if _, err := c.Begin(t.Context(), first.release(), "migrate", first.record(""), first.holds()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Begin(t.Context(), first.release(), "migrate", first.record(""), first.holds()); !errors.Is(err, ErrDone) {
		t.Errorf("it began twice: %v", err)
	}
	next, _ := order() // host a is not there: the first one is over
	got, err := c.get(t.Context(), c.key("once"), clientv3.WithPrefix())
	if err != nil || len(got.Kvs) != 0 {
		t.Errorf("after %s, which followed %s: %v, %v", next, id, got.Kvs, err)
	}
	if _, err := c.Begin(t.Context(), first.release(), "migrate", first.record(""), first.holds()); !errors.Is(err, errOvertakenOrder) {
		t.Errorf("a stage of an order that is past: %v", err)
	}
}
