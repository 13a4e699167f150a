package etcd

import (
	"context"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
)

// forgetAfter is how long the specs must not name an app until its last deploy is forgotten.
// Until then whoever names it again, after a push by mistake or a holiday, finds it as it was.
const forgetAfter = 30 * 24 * time.Hour

// goneMark says since when the specs do not name an app that was deployed.
type goneMark struct {
	at  time.Time
	mod int64
}

func markOf(kv *mvccpb.KeyValue) goneMark {
	at, _ := time.Parse(time.RFC3339, string(kv.Value))
	return goneMark{at, kv.ModRevision}
}

// forgetStep is what is next for the deploys of an app.
type forgetStep string

const (
	forgetWaits  forgetStep = ""       // nothing, for now
	forgetMarks  forgetStep = "mark"   // it is noted that the app is gone
	forgetUnmark forgetStep = "unmark" // it is there again, or nothing is left of it
	forgetNow    forgetStep = "forget"
)

// forgetting decides it. A mark of the future is another clock's, and made anew.
func forgetting(named, deployed bool, mark goneMark, now time.Time) forgetStep {
	switch {
	case mark.mod != 0 && (named || !deployed):
		return forgetUnmark
	case named || !deployed:
		return forgetWaits
	case mark.mod == 0 || mark.at.IsZero() || mark.at.After(now):
		return forgetMarks
	case now.Sub(mark.at) >= forgetAfter:
		return forgetNow
	}
	return forgetWaits
}

// forget takes a step. It does nothing where anything of what it was decided by has changed: the
// mark, the order, or the generation of the specs.
func (m *Member) forget(ctx context.Context, app string, step forgetStep, mark goneMark, order, generation int64) {
	c := m.client
	key := c.key("gone", app)
	still := []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", mark.mod)}
	var then []clientv3.Op
	switch step {
	case forgetWaits:
		return
	case forgetMarks:
		then = append(then, clientv3.OpPut(key, time.Now().UTC().Format(time.RFC3339)))
	case forgetUnmark:
		then = append(then, clientv3.OpDelete(key))
	case forgetNow:
		still = append(still, clientv3.Compare(clientv3.ModRevision(c.key("deploys", app, "order")), "=", order),
			clientv3.Compare(clientv3.ModRevision(c.key("meta", "generation")), "=", generation))
		then = append(then, clientv3.OpDelete(key), clientv3.OpDelete(c.key("deploys", app)+"/", clientv3.WithPrefix()), c.forgetOnce(app))
	}
	got, err := c.txn(ctx, "forget deploys in", still, then, nil)
	switch {
	case err != nil && ctx.Err() == nil:
		m.Log.Debug("what is known of the deploys of an app that is gone cannot be changed yet", "app", app, "step", string(step), "err", err)
	case err == nil && got.Succeeded && step == forgetNow:
		m.Log.Info("the last deploy of an app that no spec names any more is forgotten: hosts that have no release of it are to be deployed to when it comes again", "app", app, "gone", mark.at.Format(time.RFC3339))
	}
}

// forgetOnce removes what says which stages have run once in the deploys of an app: whoever
// begins one compares that its order is still the last.
func (c *Client) forgetOnce(app string) clientv3.Op {
	return clientv3.OpDelete(c.key("once", app+"@"), clientv3.WithPrefix())
}

// back are the apps of the view that are marked as gone and are named, or of which nothing
// is left.
func (v *View) back(named map[string]bool) (apps []string) {
	for app, mark := range v.gone {
		if forgetting(named[app], v.deploys[app].deployment() != nil, mark, time.Time{}) == forgetUnmark {
			apps = append(apps, app)
		}
	}
	return apps
}

// forgetGone goes on with the deploys of an app that the specs do not name and that is no
// other one now.
func (m *Member) forgetGone(ctx context.Context, d *cluster.Deployment) {
	m.mu.Lock()
	app, v := d.Order.App, m.view
	mark, generation := v.gone[app], v.generationMod
	var order int64
	if o := v.deploys[app]; o != nil && o.order.ID == d.Order.ID {
		order = o.mod
	}
	over := d.Over(func(h string) string {
		if _, there := v.Hosts[h]; there {
			return ""
		}
		return "it is not there"
	})
	m.mu.Unlock()
	if order == 0 || !over || strings.Contains(app, "/") {
		return
	}
	m.forget(ctx, app, forgetting(false, true, mark, time.Now()), mark, order, generation)
}
