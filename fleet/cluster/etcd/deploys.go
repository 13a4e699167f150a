package etcd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
)

const (
	// followEvery is how often who waits for a deploy looks at it.
	followEvery = 200 * time.Millisecond
	// lostAfter is how long a host may be away before nobody waits for its part any more.
	lostAfter = 20 * time.Second
	// idleAfter is how long a host that is there may take to begin its part: one whose
	// daemon is of an earlier version never does.
	idleAfter = time.Minute
)

// ErrUnderWay tells that another deploy of the app goes on.
var ErrUnderWay = errors.New("another deploy of it is in progress")

// errOvertakenOrder tells a host that its order is not the one that holds any more.
var errOvertakenOrder = errors.New("another deploy of the app has been ordered since")

// ordered are the deploys of an app, as etcd holds them.
type ordered struct {
	order cluster.Order
	mod   int64 // the revision of the order
	stops map[string]bool
	parts map[string]map[string]cluster.Part // by order and host
}

func newOrdered() *ordered {
	return &ordered{stops: map[string]bool{}, parts: map[string]map[string]cluster.Part{}}
}

// put takes in a key below deploys/APP/: order, ID/stop, ID/hosts/HOST.
func (o *ordered) put(key string, kv *mvccpb.KeyValue) {
	id, rest, deeper := strings.Cut(key, "/")
	switch {
	case !deeper:
		var order cluster.Order
		if json.Unmarshal(kv.Value, &order) == nil {
			o.order, o.mod = order, kv.ModRevision
		}
	case rest == "stop":
		o.stops[id] = true
	default:
		var p cluster.Part
		host, ok := strings.CutPrefix(rest, "hosts/")
		if !ok || json.Unmarshal(kv.Value, &p) != nil {
			return
		}
		if o.parts[id] == nil {
			o.parts[id] = map[string]cluster.Part{}
		}
		o.parts[id][host] = p
	}
}

func (o *ordered) remove(key string) {
	id, rest, deeper := strings.Cut(key, "/")
	switch {
	case !deeper:
		o.order, o.mod = cluster.Order{}, 0
	case rest == "stop":
		delete(o.stops, id)
	default:
		delete(o.parts[id], strings.TrimPrefix(rest, "hosts/"))
		if len(o.parts[id]) == 0 {
			delete(o.parts, id)
		}
	}
}

// deployment is what holds; nil: nothing was ordered.
func (o *ordered) deployment() *cluster.Deployment {
	if o == nil || o.order.ID == "" {
		return nil
	}
	d := &cluster.Deployment{Order: o.order, Stop: o.stops[o.order.ID], Parts: maps.Clone(o.parts[o.order.ID])}
	if d.Parts == nil {
		d.Parts = map[string]cluster.Part{}
	}
	return d
}

// ordered reads the deploys of an app, and which hosts are there.
func (c *Client) ordered(ctx context.Context, app string) (*ordered, map[string]bool, error) {
	prefix, hosts := c.key("deploys", app)+"/", c.key("hosts")+"/"
	got, err := c.txn(ctx, "read", nil, []clientv3.Op{clientv3.OpGet(prefix, clientv3.WithPrefix()), clientv3.OpGet(hosts, clientv3.WithPrefix(), clientv3.WithKeysOnly())}, nil)
	if err != nil {
		return nil, nil, err
	}
	o, there := newOrdered(), map[string]bool{}
	for _, kv := range got.Responses[0].GetResponseRange().Kvs {
		o.put(strings.TrimPrefix(string(kv.Key), prefix), kv)
	}
	for _, kv := range got.Responses[1].GetResponseRange().Kvs {
		there[strings.TrimPrefix(string(kv.Key), hosts)] = true
	}
	return o, there, nil
}

// Deployment is the last deploy of an app that was ordered; nil: none was.
func (c *Client) Deployment(ctx context.Context, app string) (*cluster.Deployment, error) {
	o, _, err := c.ordered(ctx, app)
	if err != nil {
		return nil, err
	}
	return o.deployment(), nil
}

// lostNow says why a host does not answer at this moment.
func lostNow(there map[string]bool) func(string) string {
	return func(h string) string {
		if there[h] {
			return ""
		}
		return "it is not there"
	}
}

// Deploy orders a deploy and follows it until it is over. An order of the same asker is
// found again. tell hears of the stages; a ctx that ends stops the order where nothing is
// touched yet, unless leave says that the asker alone ends.
func (c *Client) Deploy(ctx context.Context, order cluster.Order, wait bool, waits func(string), tell func(cluster.News), leave func() bool) (*cluster.Deployment, error) {
	if len(order.Hosts) == 0 {
		return nil, fmt.Errorf("cannot deploy %s: no available host is to run it; see: wsgid-fleet hosts", order.App)
	}
	id, err := c.order(ctx, order, wait, waits)
	if err != nil {
		return nil, err
	}
	d, err := c.follow(ctx, order.App, id, tell)
	if ctx.Err() != nil && !leave() {
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.limit())
		defer cancel()
		if serr := c.StopDeploy(sctx, order.App, id); serr != nil {
			return nil, serr
		}
	}
	return d, err
}

// order writes an order where none is under way, and says what it is called.
func (c *Client) order(ctx context.Context, order cluster.Order, wait bool, waits func(string)) (string, error) {
	told := false
	key := c.key("deploys", order.App, "order")
	for {
		o, there, err := c.ordered(ctx, order.App)
		if err != nil {
			return "", err
		}
		var then []clientv3.Op
		order.At = time.Now().UTC()
		order.ID = appspec.DeployID(order.At, o.order.ID)
		if was := o.deployment(); was != nil {
			if was.Order.Asker != "" && was.Order.Asker == order.Asker {
				return was.Order.ID, nil
			}
			if !was.Over(lostNow(there)) {
				under := fmt.Errorf("%w (%s by %s since %s)", ErrUnderWay, was.Order.ID, was.Order.By, was.Order.At.Format(time.RFC3339))
				if !wait {
					return "", fmt.Errorf("cannot deploy %s: %w; wait for it with: --wait", order.App, under)
				}
				if !told {
					told = true
					waits("waits: " + under.Error())
				}
				pause(ctx, followEvery)
				if ctx.Err() != nil {
					return "", context.Cause(ctx)
				}
				continue
			}
			then = append(then, clientv3.OpDelete(c.key("deploys", order.App, was.Order.ID)+"/", clientv3.WithPrefix()), c.forgetOnce(order.App))
		}
		text, err := json.Marshal(order)
		if err != nil {
			return "", err
		}
		got, err := c.txn(ctx, "order a deploy in", []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", o.mod)}, append(then, clientv3.OpPut(key, string(text))), nil)
		if err != nil {
			return "", err
		}
		if got.Succeeded {
			return order.ID, nil
		}
	}
}

// Ordered tells whether the last order of an app is that of an asker.
func (c *Client) Ordered(ctx context.Context, app, asker string) (bool, error) {
	o, _, err := c.ordered(ctx, app)
	return err == nil && asker != "" && o.order.Asker == asker, err
}

// follow tells what happens until the order is over.
func (c *Client) follow(ctx context.Context, app, id string, tell func(cluster.News)) (*cluster.Deployment, error) {
	var was *cluster.Deployment
	w := watcher{begun: time.Now(), away: map[string]time.Time{}}
	for {
		o, there, err := c.ordered(ctx, app)
		switch d := o.deploymentOf(id); {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			w.blind() // it goes on without us, or waits as we do
		case d == nil:
			return nil, fmt.Errorf("cannot follow deploy %s of %s: %w", id, app, errOvertakenOrder)
		default:
			for _, n := range cluster.Fresh(was, d) {
				tell(n)
			}
			was = d
			lost := w.look(d, there)
			if d.Over(lost) {
				for _, h := range d.Order.Hosts { // as the outcome is to name it
					if p := d.Parts[h]; !p.Ended() {
						p.State, p.Reason = cluster.Failed, "it does not answer: "+lost(h)
						d.Parts[h] = p
					}
				}
				return d, nil
			}
		}
		pause(ctx, followEvery)
	}
}

// deploymentOf is the deployment if it is that of an order.
func (o *ordered) deploymentOf(id string) *cluster.Deployment {
	if d := o.deployment(); d != nil && d.Order.ID == id {
		return d
	}
	return nil
}

// StopDeploy has an order end where nothing is touched yet.
func (c *Client) StopDeploy(ctx context.Context, app, id string) error {
	_, err := c.txn(ctx, "stop the deploy in", nil, []clientv3.Op{clientv3.OpPut(c.key("deploys", app, id, "stop"), "")}, nil)
	return err
}

// watcher remembers since when hosts are away.
type watcher struct {
	begun time.Time
	away  map[string]time.Time
}

// blind begins anew to wait for all: nobody could look.
func (w *watcher) blind() { w.begun = time.Now(); clear(w.away) }

// look says why hosts will not answer any more.
func (w *watcher) look(d *cluster.Deployment, there map[string]bool) func(string) string {
	now := time.Now()
	for _, h := range d.Order.Hosts {
		if there[h] {
			delete(w.away, h)
		} else if w.away[h].IsZero() {
			w.away[h] = now
		}
	}
	return func(h string) string {
		_, begun := d.Parts[h]
		at, away := w.away[h]
		switch {
		case away && now.Sub(at) >= lostAfter:
			return fmt.Sprintf("it is gone for %s", lostAfter)
		case !begun && !away && now.Sub(w.begun) >= idleAfter:
			return "it does not take part: is its daemon an earlier version?"
		}
		return ""
	}
}

// Deploy orders a deploy on the hosts that are to run the app, see Client.Deploy.
func (m *Member) Deploy(ctx context.Context, order cluster.Order, wait bool, waits func(string), tell func(cluster.News), leave func() bool) (*cluster.Deployment, error) {
	m.mu.Lock()
	apps, trouble, joined := m.apps, m.trouble, m.joined
	m.mu.Unlock()
	if !joined {
		return nil, fmt.Errorf("cannot deploy %s: this host is not in the fleet: %s", order.App, cmp.Or(trouble, "it has not joined yet"))
	}
	v, err := m.client.View(ctx)
	if err != nil {
		return nil, err
	}
	order.Hosts = cluster.Place(apps, v.There())[order.App]
	return m.client.Deploy(ctx, order, wait, waits, tell, leave)
}

// Ordered see Client.Ordered.
func (m *Member) Ordered(ctx context.Context, app, asker string) (bool, error) {
	return m.client.Ordered(ctx, app, asker)
}
