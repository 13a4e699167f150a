package etcd

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
)

const (
	// renamedRetry is when a host looks again which app one that the specs no longer name is
	// now, where it did not know; twice as long each time, up to renamedRest.
	renamedRetry = time.Second
	renamedRest  = 10 * time.Minute
)

// renaming is what a host has found out of the deploys of an app that the specs no longer name.
type renaming struct {
	next time.Time // when it looks again
	wait time.Duration
}

// OnRenames sets what says which app of the specs one is now that they no longer name; before
// Run. Empty: none, or this host does not know it; gone: nothing speaks of it any more.
func (m *Member) OnRenames(is func(order cluster.Order, commit string) (heir string, gone bool)) {
	m.renames = is
}

// carryOver has the deploys of apps that were given other names follow them: a host that comes
// later is to find there what the others have. Any host that knows of it does so, and as often
// as it takes: it is known from what lies on its disk.
func (m *Member) carryOver(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.renames == nil || m.renaming || !m.joined || m.view == nil || m.view.Generation == 0 || m.apps == nil {
		return
	}
	named := map[string]bool{}
	for _, a := range m.apps {
		named[a.Name] = true
	}
	for app := range m.renamed {
		if named[app] || m.view.deploys[app].deployment() == nil {
			delete(m.renamed, app)
		}
	}
	now := time.Now()
	var left []*cluster.Deployment
	for app, o := range m.view.deploys {
		d := o.deployment()
		if d == nil || named[app] || now.Before(m.renamed[app].next) {
			continue
		}
		wait := min(max(2*m.renamed[app].wait, renamedRetry), renamedRest)
		m.renamed[app] = renaming{now.Add(around(wait)), wait}
		left = append(left, d)
	}
	back := m.view.back(named)
	if len(left) == 0 && len(back) == 0 {
		return
	}
	marks := maps.Clone(m.view.gone)
	m.renaming = true
	go func() {
		for _, app := range back {
			m.forget(ctx, app, forgetUnmark, marks[app], 0, 0)
		}
		for _, d := range left {
			m.carryOverOne(ctx, d)
		}
		m.mu.Lock()
		m.renaming = false
		m.mu.Unlock()
	}()
}

func (m *Member) carryOverOne(ctx context.Context, d *cluster.Deployment) {
	is, gone := m.renames(d.Order, d.Commit())
	if is == "" {
		if gone {
			m.forgetGone(ctx, d)
		}
		return
	}
	moved, err := m.client.MoveDeploys(ctx, d.Order.App, is)
	switch {
	case err != nil && ctx.Err() == nil:
		m.Log.Warn("the deploys of a renamed app cannot be carried over yet: hosts that come later have none of it", "app", is, "former", d.Order.App, "err", err)
	case moved:
		m.Log.Info("carried over the deploys of a renamed app for all hosts", "app", is, "former", d.Order.App, "commit", d.Commit())
	}
}

// MoveDeploys makes the last deploy of an app, and what its hosts have agreed upon, that of an
// app that it is now. One that is under way is not disturbed, and a later one of that app stays.
func (c *Client) MoveDeploys(ctx context.Context, from, to string) (moved bool, err error) {
	was, there, err := c.ordered(ctx, from)
	if err != nil {
		return false, err
	}
	is, _, err := c.ordered(ctx, to)
	if err != nil {
		return false, err
	}
	d := was.deployment()
	if d == nil || !d.Over(lostNow(there)) || is.order.ID > d.Order.ID {
		return false, nil
	}
	ops, err := c.moveSecrets(ctx, from, to)
	if err != nil {
		return false, err
	}
	for host, part := range d.Parts {
		text, err := json.Marshal(part)
		if err != nil {
			return false, err
		}
		ops = append(ops, clientv3.OpPut(c.key("deploys", to, d.Order.ID, "hosts", host), string(text)))
	}
	still := []clientv3.Cmp{
		clientv3.Compare(clientv3.ModRevision(c.key("deploys", from, "order")), "=", was.mod),
		clientv3.Compare(clientv3.ModRevision(c.key("deploys", to, "order")), "=", is.mod),
	}
	// The order goes last: it is what counts.
	for ; len(ops) > batchOps; ops = ops[batchOps:] {
		if got, err := c.txn(ctx, "carry deploys over in", still, ops[:batchOps], nil); err != nil || !got.Succeeded {
			return false, err
		}
	}
	order := d.Order
	order.App = to
	text, err := json.Marshal(order)
	if err != nil {
		return false, err
	}
	ops = append(ops, clientv3.OpPut(c.key("deploys", to, "order"), string(text)),
		clientv3.OpDelete(c.key("deploys", from)+"/", clientv3.WithPrefix()), clientv3.OpDelete(c.key("secrets", from)+"/", clientv3.WithPrefix()), c.forgetOnce(from))
	if old := is.order.ID; old != "" && old != order.ID {
		ops = append(ops, clientv3.OpDelete(c.key("deploys", to, old)+"/", clientv3.WithPrefix()))
	}
	got, err := c.txn(ctx, "carry deploys over in", still, ops, nil)
	return err == nil && got.Succeeded, err
}

// moveSecrets is what gives an app those that its hosts have agreed upon under its former name,
// but for those that it has itself.
func (c *Client) moveSecrets(ctx context.Context, from, to string) (ops []clientv3.Op, err error) {
	has := map[string]bool{}
	for _, app := range []string{to, from} {
		prefix := c.key("secrets", app) + "/"
		got, err := c.get(ctx, prefix, clientv3.WithPrefix())
		if err != nil {
			return nil, err
		}
		for _, kv := range got.Kvs {
			name := strings.TrimPrefix(string(kv.Key), prefix)
			if app == from && !has[name] {
				ops = append(ops, clientv3.OpPut(c.key("secrets", to, name), string(kv.Value)))
			}
			has[name] = true
		}
	}
	return ops, nil
}
