package etcd

import (
	"cmp"
	"context"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
)

// consider decides by what the watch has told; before anything changes by it, it is
// read anew: who is there, where that alone may have changed, else all.
func (m *Member) consider(ctx context.Context, changed func()) error {
	now := time.Now()
	m.mu.Lock()
	if due := m.members.Due(); due.IsZero() || now.Before(due) {
		m.observe(now)
	} else {
		m.mu.Unlock()
		if err := m.confirm(ctx, changed); err != nil {
			return err
		}
		m.mu.Lock()
	}
	d := m.decide(now, m.view.Ready)
	again := d != nil && !d.Same(m.decided)
	if h, there := m.view.Hosts[m.Host.ID]; m.joined && (!there || h.Machine != m.Host.Machine) {
		again = true
	}
	m.mu.Unlock()
	if again {
		return m.list(ctx, changed, false)
	}
	return nil
}

// confirm reads anew who is there, and has this host begin what is its own by that. A
// host that dies has all others do so at once: that they serve thousands of apps says
// nothing of it. What is to leave this host is left to list, which reads that too.
func (m *Member) confirm(ctx context.Context, changed func()) error {
	now := time.Now() // before, as in list
	// All of hosts/ and meta/: 0 follows / in their order.
	got, err := m.client.get(ctx, m.client.key("hosts", ""), clientv3.WithRange(m.client.key("meta0")))
	if err != nil {
		return err
	}
	m.mu.Lock()
	if got.Header.GetRevision() < m.view.Revision { // etcd is another one
		m.mu.Unlock()
		return m.list(ctx, changed, false)
	}
	defer m.mu.Unlock()
	m.view.takeHosts(m.client.key(""), got)
	m.observe(now)
	if d := m.decide(now, nobody); d != nil && !d.Same(m.decided) {
		m.keep(d)
		changed()
	}
	return nil
}

// observe needs mu. Where no generation is there somebody has emptied etcd, or it is
// another one: that hosts are missing in it says nothing of them.
func (m *Member) observe(now time.Time) {
	if m.view.Generation == 0 {
		m.emptied = true
		return
	}
	if m.emptied {
		m.emptied = false
		m.members.Resume(now)
	}
	m.members.Observe(now, m.view.there(), m.view.Thaw)
	if f := m.members.Frozen(); f != m.frozen {
		m.frozen = f
		if f != "" {
			m.Log.Warn("placement is frozen", "reason", f)
		} else {
			m.Log.Info("placement continues")
		}
	}
}

// decide needs mu. It is nil where this host does not take part: then everything stays.
func (m *Member) decide(now time.Time, ready func(app, host string) bool) *cluster.Decision {
	if !m.joined || m.view == nil || m.view.Generation == 0 || m.apps == nil {
		return nil
	}
	return m.hosting.Decide(now, m.apps, m.view.cordoned(m.members.Counting()), ready)
}

// settle makes what was listed the truth.
func (m *Member) settle(now time.Time, changed func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.observe(now)
	d := m.decide(now, m.view.Ready)
	if d == nil {
		return nil
	}
	other := !d.Same(m.decided)
	m.keep(d)
	if other {
		changed()
	}
	return nil
}

// keep makes a decision the one that holds, on the disk too. It needs mu.
func (m *Member) keep(d *cluster.Decision) {
	same := d.Same(m.decided)
	m.decided = d
	m.hosting.Keep(d)
	if same {
		return
	}
	if err := m.mirror.SavePlaced(cluster.Placed{Here: m.hosting.Here(), Members: m.members.Counting()}); err != nil {
		m.Log.Error("the apps of this host will not survive a reboot without etcd", "err", err)
	}
}

// nobody serves anything, as far as is known for sure.
func nobody(string, string) bool { return false }

// Elsewhere says which of the apps are not to run here, and why. It asks nobody: an app
// that is to leave is let go by settle alone, which has read everything anew.
func (m *Member) Elsewhere(apps []cluster.App) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.EqualFunc(m.apps, apps, func(a, b cluster.App) bool { return a.Name == b.Name }) {
		clear(m.renamed)
	}
	m.apps = append([]cluster.App{}, apps...)
	if d := m.decide(time.Now(), nobody); d != nil {
		m.keep(d)
		poke(m.wake)
		return d.Elsewhere
	}
	here := map[string]bool{}
	for _, a := range m.hosting.Here() {
		here[a] = true
	}
	out := map[string]string{}
	for _, a := range apps {
		if !here[a.Name] {
			out[a.Name] = "this host has not joined the fleet yet: " + cmp.Or(m.trouble, "it waits for etcd")
		}
	}
	return out
}
