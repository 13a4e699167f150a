package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
)

// again is how long a host waits with another try of a deploy that it alone lacks.
const again = 30 * time.Second

// task is the part of this host in one order.
type task struct {
	m     *Member
	order cluster.Order
	mod   int64 // the revision of the order
	late  bool

	mu   sync.Mutex // guards what follows
	part cluster.Part
	once string // the stage that runs here for all hosts now
}

// OnDeploys sets what carries out the part of this host in deploys; before Run.
func (m *Member) OnDeploys(do func(ctx context.Context, t cluster.Task)) { m.deploy = do }

// begin starts the parts that are this host's to do and that nobody here is at.
func (m *Member) begin(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deploy == nil || !m.joined || m.view == nil {
		return
	}
	for app, o := range m.view.deploys {
		d := o.deployment()
		if d == nil || d.Order.ID <= m.tasks[app] {
			continue
		}
		part, begun := d.Parts[m.Host.ID]
		t := &task{m: m, order: d.Order, mod: o.mod, part: cluster.Part{State: cluster.Preparing}}
		switch mine := slices.Contains(d.Order.Hosts, m.Host.ID); {
		case mine && part.Ended():
			continue
		case mine:
		default:
			// The app came here later: what the others have is missing.
			here := m.decided != nil && slices.Contains(m.decided.Placed[app], m.Host.ID)
			if !here || !d.Succeeded() || part.State == cluster.Done || time.Now().Before(m.lateAt[app]) {
				continue
			}
			t.late, t.part.Late, t.part.Commit, begun = true, true, d.Commit(), false
		}
		m.tasks[app] = d.Order.ID
		go m.carryOut(ctx, t, begun)
	}
}

// carryOut does the part of this host, once in the life of a process.
func (m *Member) carryOut(ctx context.Context, t *task, resumed bool) {
	ended := false
	defer func() {
		t.mu.Lock()
		bad := !ended || t.part.State == cluster.Failed
		t.mu.Unlock()
		if !t.late || !bad {
			return
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.lateAt[t.order.App] = time.Now().Add(again)
		if m.tasks[t.order.App] == t.order.ID {
			delete(m.tasks, t.order.App)
		}
	}()
	if !resumed {
		if err := t.write(ctx, true); err != nil {
			return
		}
	}
	first, late := t.order.Hosts[0] == m.Host.ID, t.part.Commit
	m.deploy(ctx, cluster.Task{Order: t.order, First: first, Late: t.late, Resumed: resumed,
		Commit: func(ctx context.Context) (string, error) {
			if t.late {
				return late, nil
			}
			d, err := t.wait(ctx, cluster.Moment{})
			if err != nil {
				return "", err
			}
			return d.Commit(), nil
		},
		Turn: t.turn,
		Tell: t.tell,
		End: func(ctx context.Context, state cluster.PartState, commit, reason string) {
			t.mu.Lock()
			t.part.State, t.part.Reason = state, reason
			if commit != "" {
				t.part.Commit = commit
			}
			t.mu.Unlock()
			ended = t.write(ctx, true) == nil
		}})
}

// turn see cluster.Task.
func (t *task) turn(ctx context.Context, at cluster.Moment, commit string) (elsewhere string, err error) {
	first := t.order.Hosts[0]
	ran := fmt.Sprintf("ran on %s, once for all hosts", first)
	if t.late {
		if at.Once != "" {
			return ran, nil
		}
		return "", nil
	}
	if err := t.become(ctx, cluster.Prepared, commit); err != nil {
		return "", err
	}
	if _, err := t.wait(ctx, at); err != nil {
		return "", err
	}
	switch {
	case at.Once != "" && first != t.m.Host.ID:
		return ran, nil
	case at.Once != "":
		if _, err := t.m.client.Begin(ctx, t.release(), at.Once, t.record(""), t.holds()); err != nil {
			return "", err
		}
		t.mu.Lock()
		t.once = at.Once
		t.mu.Unlock()
		return "", nil
	}
	return "", t.become(ctx, cluster.Rolling, commit)
}

// release is what once/ calls this order.
func (t *task) release() string { return t.order.App + "@" + t.order.ID }

// holds is true as long as its order is the last of the app.
func (t *task) holds() clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(t.m.client.key("deploys", t.order.App, "order")), "=", t.mod)
}

func (t *task) record(state string) OnceRecord {
	return OnceRecord{Host: t.m.Host.ID, Machine: t.m.Host.Machine, State: state}
}

// become notes a state, which the others are to know before this host goes on.
func (t *task) become(ctx context.Context, s cluster.PartState, commit string) error {
	t.mu.Lock()
	same := t.part.State == s && t.part.Commit == commit
	t.part.State, t.part.Commit = s, commit
	t.mu.Unlock()
	if same {
		return nil
	}
	return t.write(ctx, true)
}

// tell notes a stage that begins or has ended. That the others know of it must be sure
// where one of them may wait for it.
func (t *task) tell(ctx context.Context, commit string, s cluster.PartStage) {
	t.mu.Lock()
	news := commit != "" && t.part.Commit != commit
	if news {
		t.part.Commit = commit
	}
	if i := slices.IndexFunc(t.part.Stages, func(o cluster.PartStage) bool { return o.Name == s.Name }); i >= 0 {
		t.part.Stages[i] = s
	} else {
		t.part.Stages = append(t.part.Stages, s)
	}
	once := s.Name == t.once
	t.mu.Unlock()
	if once && s.Result != "running" {
		state := "done"
		if s.Result != "ok" {
			state = "failed"
		}
		if err := t.m.client.End(ctx, t.release(), s.Name, t.record(state)); err != nil {
			t.m.Log.Warn("the result of a run-once stage is not reported", "app", t.order.App, "stage", s.Name, "err", err)
		}
	}
	_ = t.write(ctx, news || once)
}

// write tells the others how far this host is; must: however long etcd is away.
func (t *task) write(ctx context.Context, must bool) error {
	c := t.m.client
	for {
		t.mu.Lock()
		text, err := json.Marshal(t.part)
		t.mu.Unlock()
		if err != nil {
			return err
		}
		limit := c.limit()
		if !must {
			limit = time.Second
		}
		wctx, cancel := context.WithTimeout(ctx, limit)
		got, err := c.txn(wctx, "tell", []clientv3.Cmp{t.holds()},
			[]clientv3.Op{clientv3.OpPut(c.key("deploys", t.order.App, t.order.ID, "hosts", t.m.Host.ID), string(text))}, nil)
		cancel()
		switch {
		case err == nil && !got.Succeeded:
			return errOvertakenOrder
		case err == nil || !must:
			return err
		}
		pause(ctx, followEvery)
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// wait waits until this host may go on. The watch says when it may be so, and etcd
// itself that it is.
func (t *task) wait(ctx context.Context, at cluster.Moment) (*cluster.Deployment, error) {
	w := watcher{begun: time.Now(), away: map[string]time.Time{}}
	for look := time.Duration(0); ; look = min(2*look+followEvery/4, time.Second) {
		o, there, err := t.m.client.ordered(ctx, t.order.App)
		if err != nil {
			w.blind()
		} else {
			d := o.deploymentOf(t.order.ID)
			if d == nil {
				return nil, errOvertakenOrder
			}
			waits, err := d.Turn(t.m.Host.ID, at, w.look(d, there))
			if err != nil {
				return nil, err
			}
			if waits == "" {
				return d, nil
			}
		}
		pause(ctx, look)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}
