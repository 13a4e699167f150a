package etcd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
)

// DefaultTTL is how long etcd believes that a host is there which says nothing; it
// takes no less than 2 s.
const DefaultTTL = 5 * time.Second

// reportEvery is how often a host writes what it serves, where that never rests: one that has
// rested may do so twice at once, so that an app is told of when it begins and when it is ready.
const reportEvery = time.Second

// errTaken tells that another machine has the name of this host.
var errTaken = errors.New("another machine has this name")

// errLost tells that a lease has ended, or may have.
var errLost = errors.New("the lease was lost")

// register holds the key of this host, and what it serves, under a lease until ctx ends.
func (m *Member) register(ctx context.Context, serving func() map[string]cluster.Endpoint) {
	said := ""
	for ctx.Err() == nil {
		err := m.tenure(ctx, serving)
		m.mu.Lock()
		m.joined, m.told = false, false
		if err != nil {
			m.outside = err.Error()
		}
		m.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		if text := fmt.Sprint(err); err != nil && text != said {
			said = text
			m.Log.Warn("this host is not in the fleet; running apps continue", "host", m.Host.ID, "err", err)
		}
		if err == nil {
			said = ""
		}
		if !errors.Is(err, errLost) { // else it comes back before others wait for it no longer
			pause(ctx, 200*time.Millisecond+time.Duration(rand.Int64N(int64(time.Second))))
		}
	}
}

// tenure is one lease, from its grant to its loss.
func (m *Member) tenure(ctx context.Context, serving func() map[string]cluster.Endpoint) error {
	cl, err := m.client.conn()
	if err != nil {
		return err
	}
	ttl := int64(cmp.Or(m.TTL, DefaultTTL) / time.Second)
	gctx, cancel := context.WithTimeout(ctx, m.client.limit())
	lease, err := cl.Grant(gctx, ttl)
	cancel()
	if err != nil {
		return m.client.explain("join", err)
	}
	defer func() {
		rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, _ = cl.Revoke(rctx, lease.ID)
	}()
	if err := m.renewable(ctx, cl, lease.ID); err != nil {
		return err
	}
	if err := m.take(ctx, lease.ID); err != nil {
		return err
	}
	kctx, stop := context.WithCancel(ctx)
	defer stop()
	lost := make(chan struct{})
	go func() {
		defer close(lost)
		m.keepAlive(kctx, cl, lease.ID, time.Duration(lease.TTL)*time.Second)
	}()
	m.mu.Lock()
	m.joined, m.reported = true, map[string]string{}
	m.mu.Unlock()
	m.Log.Info("joined the fleet", "host", m.Host.ID, "region", m.Host.Region)
	poke(m.wake)
	poke(m.report)
	report := m.report
	again := time.NewTimer(0)
	again.Stop()
	var spent time.Time // when it has rested again
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-lost:
			return fmt.Errorf("cannot stay in %s: %w", m.client.where(), errLost)
		case <-m.claim:
			if err := m.take(ctx, lease.ID); err != nil {
				return err
			}
			m.mu.Lock()
			m.joined, m.told, m.reported = true, false, map[string]string{}
			m.mu.Unlock()
			poke(m.wake)
			poke(m.report)
		case <-report:
			wrote, err := m.put(ctx, lease.ID, serving())
			if err != nil {
				m.Log.Debug("the apps of this host are not announced", "err", err)
				poke(m.report)
			}
			if !wrote && err == nil {
				continue
			}
			report = nil
			if now := time.Now(); spent.Before(now) {
				spent = now
			}
			spent = spent.Add(reportEvery)
			again.Reset(time.Until(spent.Add(-reportEvery)))
		case <-again.C:
			report = m.report
		}
	}
}

// renewable tells of a server that grants leases and renews none: a host would join, and be
// gone when each ends.
func (m *Member) renewable(ctx context.Context, cl *clientv3.Client, id clientv3.LeaseID) error {
	once, cancel := context.WithTimeout(ctx, m.client.limit())
	defer cancel()
	if _, err := cl.KeepAliveOnce(once, id); err != nil && partial(err) {
		return m.client.explain("stay in", err)
	}
	return nil // what else may be wrong shows when the lease is kept
}

// keepAlive keeps a lease until ctx ends or the lease is lost. Each time it asks anew:
// one stream for all, as the client's own KeepAlive has it, would stay with a member that
// is stopped or cut off for longer than the lease lasts, while another one answers.
func (m *Member) keepAlive(ctx context.Context, cl *clientv3.Client, id clientv3.LeaseID, ttl time.Duration) {
	for last := time.Now(); ; {
		pause(ctx, ttl/3)
		for {
			asked, before := time.Now(), m.seen()
			once, cancel := context.WithTimeout(ctx, ttl/5)
			kept, err := cl.KeepAliveOnce(once, id)
			cancel()
			if err == nil {
				if kept.ResponseHeader != nil {
					m.tells(kept.GetRevision(), before)
				}
				last = asked
				break
			}
			if ctx.Err() != nil || errors.Is(err, rpctypes.ErrLeaseNotFound) || time.Since(last) >= ttl {
				return
			}
			pause(ctx, 50*time.Millisecond)
		}
	}
}

// take writes the key of this host: where nobody has it, or this machine itself.
func (m *Member) take(ctx context.Context, lease clientv3.LeaseID) error {
	key := m.client.key("hosts", m.Host.ID)
	text, err := json.Marshal(m.Host)
	if err != nil {
		return err
	}
	put := []clientv3.Op{clientv3.OpPut(key, string(text), clientv3.WithLease(lease))}
	mod := int64(0)
	for range 3 {
		before := m.seen()
		got, err := m.client.txn(ctx, "join", []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", mod)}, put, []clientv3.Op{clientv3.OpGet(key)})
		if err != nil {
			return err
		}
		m.tells(got.Header.GetRevision(), before)
		if got.Succeeded {
			return nil
		}
		kvs := got.Responses[0].GetResponseRange().Kvs
		mod = 0
		if len(kvs) > 0 {
			var h cluster.Host
			_ = json.Unmarshal(kvs[0].Value, &h)
			if h.Machine != m.Host.Machine {
				return fmt.Errorf("cannot join %s as %s: %w (at %s); if it is a copy of this one, give one of the two another --host-id; if it is this one before a reboot, it joins when the old lease ends", m.client.where(), m.Host.ID, errTaken, cmp.Or(h.Address, "no address"))
			}
			mod = kvs[0].ModRevision
		}
	}
	return fmt.Errorf("cannot join %s as %s: its key keeps changing", m.client.where(), m.Host.ID)
}

// put writes what differs from what etcd holds of this host's endpoints; wrote tells whether
// anything does.
func (m *Member) put(ctx context.Context, lease clientv3.LeaseID, now map[string]cluster.Endpoint) (wrote bool, err error) {
	m.mu.Lock()
	was := m.reported
	m.mu.Unlock()
	var ops []clientv3.Op
	flush := func() error {
		if len(ops) == 0 {
			return nil
		}
		_, err := m.client.txn(ctx, "tell", nil, ops, nil)
		ops, wrote = nil, true
		return err
	}
	next := map[string]string{}
	for app, e := range now {
		next[app] = text(e)
		if was[app] != next[app] {
			ops = append(ops, clientv3.OpPut(m.client.key("endpoints", app, m.Host.ID), next[app], clientv3.WithLease(lease)))
		}
		if len(ops) == batchOps {
			if err := flush(); err != nil {
				return wrote, err
			}
		}
	}
	for app := range was {
		if _, is := now[app]; !is {
			ops = append(ops, clientv3.OpDelete(m.client.key("endpoints", app, m.Host.ID)))
		}
		if len(ops) == batchOps {
			if err := flush(); err != nil {
				return wrote, err
			}
		}
	}
	if err := flush(); err != nil {
		return wrote, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reported, m.told = next, true
	return wrote, nil
}

// text is an endpoint as etcd holds it.
func text(e cluster.Endpoint) string {
	b, err := json.Marshal(e)
	if err != nil {
		return ""
	}
	return string(b)
}
