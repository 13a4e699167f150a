package etcd

import (
	"encoding/json"
	"fmt"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
)

// TestDeploysFollowARenamedApp: the order with all that hosts have said of it, and what they
// have agreed upon; not while it is under way, and not over what was deployed since.
func TestDeploysFollowARenamedApp(t *testing.T) {
	t.Parallel()
	c := fleetAt(t, etcdtest.Start(t))
	put := func(key string, v any) {
		t.Helper()
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.txn(t.Context(), "write", nil, []clientv3.Op{clientv3.OpPut(c.key(key), string(b))}, nil); err != nil {
			t.Fatal(err)
		}
	}
	move := func(from, to string, want bool) {
		t.Helper()
		if moved, err := c.MoveDeploys(t.Context(), from, to); err != nil || moved != want {
			t.Fatalf("from %s to %s: moved %v, %v", from, to, moved, err)
		}
	}
	last := func(app string) *cluster.Deployment {
		t.Helper()
		d, err := c.Deployment(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	move("blog", "site", false)
	order := cluster.Order{ID: "20260102-030405", App: "blog"}
	for i := range 2*batchOps + 10 { // more than one transaction takes
		order.Hosts = append(order.Hosts, fmt.Sprint("h", i))
		put(fmt.Sprint("deploys/blog/", order.ID, "/hosts/h", i), cluster.Part{State: cluster.Done, Commit: "abc"})
	}
	put("deploys/blog/"+order.ID+"/hosts/h0", cluster.Part{State: cluster.Rolling, Commit: "abc"})
	put("deploys/blog/order", order)
	put("hosts/h0", cluster.Host{ID: "h0"})
	move("blog", "site", false) // h0 is at it
	if last("blog") == nil || last("site") != nil {
		t.Fatal("a deploy that is under way was disturbed")
	}
	put("deploys/blog/"+order.ID+"/hosts/h0", cluster.Part{State: cluster.Done, Commit: "abc"})
	for name, value := range map[string]string{"blog/role": "of blog", "blog/other": "of blog", "site/other": "of site"} {
		if _, err := c.Agree(t.Context(), name, value, ""); err != nil {
			t.Fatal(err)
		}
	}
	put("deploys/site/order", cluster.Order{ID: "20250102-030405", App: "site", Hosts: []string{"old"}}) // of an app that was called so
	put("deploys/site/20250102-030405/hosts/old", cluster.Part{State: cluster.Done})
	move("blog", "site", true)
	d := last("site")
	if d == nil || d.Order.ID != order.ID || d.Order.App != "site" || !d.Succeeded() || d.Commit() != "abc" || len(d.Parts) != len(order.Hosts) {
		t.Errorf("site has %+v", d)
	}
	if last("blog") != nil {
		t.Error("blog has its deploy still")
	}
	for name, want := range map[string]string{"site/role": "of blog", "site/other": "of site", "blog/role": "", "blog/other": ""} {
		if held, err := c.Agree(t.Context(), name, "", ""); err != nil || held != want {
			t.Errorf("of %s the hosts hold %q, %v", name, held, err)
		}
	}
	if got, err := c.get(t.Context(), c.key("deploys", "site", "20250102-030405"), clientv3.WithPrefix()); err != nil || len(got.Kvs) != 0 {
		t.Errorf("%d keys of an older deploy are left, %v", len(got.Kvs), err)
	}
	put("deploys/shop/order", cluster.Order{ID: "20270102-030405", App: "shop"})
	move("site", "shop", false)
}
