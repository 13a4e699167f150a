package etcd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
)

// View is all that etcd says of a fleet beside the texts.
type View struct {
	Meta     // of the present generation, which is 0 where none is there
	Revision int64
	listed   int64 // the revision that was read as a whole
	hosted   int64 // the revision at which the hosts were read
	Thaw     int64
	Hosts    map[string]cluster.Host
	Down     map[string]bool
	// Endpoints are by app and host.
	Endpoints map[string]map[string]cluster.Endpoint
	// mods are the revisions at which hosts were written.
	mods    map[string]int64
	deploys map[string]*ordered // by app
	gone    map[string]goneMark // by app
	// generationMod is the revision at which the present generation was written.
	generationMod int64
}

func newView() *View {
	return &View{Hosts: map[string]cluster.Host{}, Down: map[string]bool{}, Endpoints: map[string]map[string]cluster.Endpoint{}, mods: map[string]int64{}, deploys: map[string]*ordered{}, gone: map[string]goneMark{}}
}

// View reads it at one revision.
func (c *Client) View(ctx context.Context) (*View, error) {
	v := newView()
	from, end := c.key(""), c.key("specs", "")
	for more := true; more; {
		opts := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(2000)}
		if v.Revision > 0 {
			opts = append(opts, clientv3.WithRev(v.Revision))
		}
		got, err := c.get(ctx, from, opts...)
		if err != nil {
			return nil, err
		}
		if v.Revision == 0 {
			v.Revision, v.listed = got.Header.GetRevision(), got.Header.GetRevision()
		}
		for _, kv := range got.Kvs {
			v.put(strings.TrimPrefix(string(kv.Key), c.key("")), kv)
			from = string(kv.Key) + "\x00"
		}
		more = got.More
	}
	return v, nil
}

// put takes in one key. What has a format that this version does not understand is passed over,
// but a host: that is there, whatever it says.
func (v *View) put(key string, kv *mvccpb.KeyValue) {
	switch kind, rest, _ := strings.Cut(key, "/"); kind {
	case "meta":
		if rest == "thaw" {
			v.Thaw, _ = strconv.ParseInt(string(kv.Value), 10, 64)
			return
		}
		var m Meta
		if rest == "generation" && json.Unmarshal(kv.Value, &m) == nil {
			v.Meta, v.generationMod = m, kv.ModRevision
		}
	case "hosts":
		var h cluster.Host
		_ = json.Unmarshal(kv.Value, &h)
		h.ID = rest
		v.Hosts[rest], v.mods[rest] = h, kv.ModRevision
	case "down":
		v.Down[rest] = true
	case "endpoints":
		app, host, _ := strings.Cut(rest, "/")
		var e cluster.Endpoint
		if json.Unmarshal(kv.Value, &e) != nil {
			return
		}
		if v.Endpoints[app] == nil {
			v.Endpoints[app] = map[string]cluster.Endpoint{}
		}
		v.Endpoints[app][host] = e
	case "deploys":
		app, key, _ := strings.Cut(rest, "/")
		if v.deploys[app] == nil {
			v.deploys[app] = newOrdered()
		}
		v.deploys[app].put(key, kv)
	case "gone":
		v.gone[rest] = markOf(kv)
	}
}

func (v *View) remove(key string) {
	switch kind, rest, _ := strings.Cut(key, "/"); kind {
	case "meta":
		if rest == "generation" {
			v.Meta, v.generationMod = Meta{}, 0
		}
	case "hosts":
		delete(v.Hosts, rest)
		delete(v.mods, rest)
	case "down":
		delete(v.Down, rest)
	case "gone":
		delete(v.gone, rest)
	case "endpoints":
		app, host, _ := strings.Cut(rest, "/")
		delete(v.Endpoints[app], host)
		if len(v.Endpoints[app]) == 0 {
			delete(v.Endpoints, app)
		}
	case "deploys":
		app, key, _ := strings.Cut(rest, "/")
		if o := v.deploys[app]; o != nil {
			o.remove(key)
		}
	}
}

// apply takes in what a watch tells. The watch may be behind what was listed: what
// came before that is no news, and taken in it would bring back what is past.
func (v *View) apply(prefix string, r clientv3.WatchResponse) {
	for _, ev := range r.Events {
		if ev.Kv.ModRevision <= v.listed {
			continue
		}
		key := strings.TrimPrefix(string(ev.Kv.Key), prefix)
		if strings.HasPrefix(key, "hosts/") && ev.Kv.ModRevision <= v.hosted {
			continue
		}
		if ev.Type == clientv3.EventTypeDelete {
			v.remove(key)
		} else {
			v.put(key, ev.Kv)
		}
	}
	v.Revision = max(v.Revision, r.Header.GetRevision())
}

// takeHosts takes in which hosts are there, and whether a generation is: that is all of
// meta that counts for them. A new one is the watch's to tell.
func (v *View) takeHosts(prefix string, got *clientv3.GetResponse) {
	v.hosted = got.Header.GetRevision()
	clear(v.Hosts)
	clear(v.mods)
	emptied := true
	for _, kv := range got.Kvs {
		switch key := strings.TrimPrefix(string(kv.Key), prefix); {
		case strings.HasPrefix(key, "hosts/"):
			v.put(key, kv)
		case key == "meta/generation":
			emptied = false
		}
	}
	if emptied {
		v.Meta = Meta{}
	}
}

// There are the hosts that are there, sorted.
func (v *View) There() []cluster.Host {
	out := v.there()
	slices.SortFunc(out, func(a, b cluster.Host) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// there are the same in no order: whoever counts them need not wait for one.
func (v *View) there() []cluster.Host { return v.cordoned(slices.Collect(maps.Values(v.Hosts))) }

// cordoned marks those of the hosts that an operator has taken out.
func (v *View) cordoned(hosts []cluster.Host) []cluster.Host {
	for i := range hosts {
		hosts[i].Cordoned = v.Down[hosts[i].ID]
	}
	return hosts
}

// Ready tells whether a host that is there serves an app.
func (v *View) Ready(app, host string) bool {
	_, there := v.Hosts[host]
	return there && v.Endpoints[app][host].Ready
}

// Cordon takes a host out: its apps go to others, and it gets none. One that is not
// there may be named too: it is out when it comes.
func (c *Client) Cordon(ctx context.Context, host, by string) error {
	if !ValidHost(host) {
		return fmt.Errorf("cannot cordon %q: that is not a name of a host", host)
	}
	_, err := c.txn(ctx, "cordon "+host+" in", nil, []clientv3.Op{clientv3.OpPut(c.key("down", host), by)}, nil)
	return err
}

// Uncordon takes a host in again.
func (c *Client) Uncordon(ctx context.Context, host string) error {
	got, err := c.txn(ctx, "uncordon "+host+" in", nil, []clientv3.Op{clientv3.OpDelete(c.key("down", host))}, nil)
	if err == nil && got.Responses[0].GetResponseDeleteRange().Deleted == 0 {
		return fmt.Errorf("cannot uncordon %s: it is not cordoned", host)
	}
	return err
}

// Thaw has frozen regions let go of the hosts that are not there.
func (c *Client) Thaw(ctx context.Context) error {
	v, err := c.View(ctx)
	if err != nil {
		return err
	}
	_, err = c.txn(ctx, "thaw", nil, []clientv3.Op{clientv3.OpPut(c.key("meta", "thaw"), strconv.FormatInt(max(time.Now().Unix(), v.Thaw+1), 10))}, nil)
	return err
}

// ErrDone tells that somebody has begun, or done, what is to be done once.
var ErrDone = errors.New("it was already started")

// OnceRecord says who does, or did, what is to be done once over all hosts.
type OnceRecord struct {
	Host    string    `json:"host"`
	Machine string    `json:"machine"`
	State   string    `json:"state"` // running, done, failed
	At      time.Time `json:"at"`
	Reason  string    `json:"reason,omitempty"`
}

// Begin takes a stage of a release for this host: nil where it is ours to run now, else
// what is known of it, with ErrDone. It is at most once: of a host that died in the
// middle nobody knows how far it came, and an operator decides. It is not begun where what
// must still hold does not.
func (c *Client) Begin(ctx context.Context, release, stage string, r OnceRecord, still ...clientv3.Cmp) (*OnceRecord, error) {
	key := c.key("once", release, stage)
	r.State, r.At = "running", time.Now().UTC()
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	got, err := c.txn(ctx, "begin "+stage+" in", append(still, clientv3.Compare(clientv3.CreateRevision(key), "=", 0)),
		[]clientv3.Op{clientv3.OpPut(key, string(text))}, []clientv3.Op{clientv3.OpGet(key)})
	if err != nil {
		return nil, err
	}
	if got.Succeeded {
		return nil, nil //nolint:nilnil // nobody has begun it: it is ours
	}
	var was OnceRecord
	for _, kv := range got.Responses[0].GetResponseRange().Kvs {
		_ = json.Unmarshal(kv.Value, &was)
	}
	if was.Host == "" && len(still) > 0 {
		return nil, fmt.Errorf("cannot begin %s of %s: %w", stage, release, errOvertakenOrder)
	}
	return &was, fmt.Errorf("cannot begin %s of %s: %w by %s (%s)", stage, release, ErrDone, was.Host, was.State)
}

// End writes how a stage ended that this host has begun. What is done or failed stays.
func (c *Client) End(ctx context.Context, release, stage string, r OnceRecord) error {
	key := c.key("once", release, stage)
	got, err := c.get(ctx, key)
	if err != nil {
		return err
	}
	var was OnceRecord
	if len(got.Kvs) == 0 || json.Unmarshal(got.Kvs[0].Value, &was) != nil || was.State != "running" || was.Host != r.Host || was.Machine != r.Machine {
		return fmt.Errorf("cannot end %s of %s: this host did not begin it", stage, release)
	}
	r.At = time.Now().UTC()
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = c.txn(ctx, "end "+stage+" in", []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", got.Kvs[0].ModRevision)}, []clientv3.Op{clientv3.OpPut(key, string(text))}, nil)
	return err
}

// ValidHost tells whether a host may be called that.
func ValidHost(id string) bool {
	if id == "" || len(id) > 253 {
		return false
	}
	return appspec.ValidRegion(id) && strings.Trim(id, "._-") != ""
}
