package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// outageTenths are how many tenths of the outage two of three members are gone; then all.
const outageTenths = 5

// withoutEtcd counts what clients lose, and which processes change, while etcd is away.
func (b *bench) withoutEtcd(ctx context.Context, m *etcdMembers) (t table, err error) {
	f, hosts, err := b.joinedFleet(ctx, m)
	defer f.kill()
	if err != nil {
		return t, err
	}
	if err := f.settled(ctx, hosts); err != nil {
		return t, err
	}
	processes := func() (all []int) {
		for _, h := range hosts {
			all = append(all, tree(h.child.Process.Pid)...)
		}
		slices.Sort(all)
		return all
	}
	if err := sleep(ctx, 5*time.Second); err != nil { // what has moved ends its processes
		return t, err
	}
	before := processes()
	var asked, lost atomic.Int64
	loadCtx, end := context.WithCancel(ctx)
	defer end()
	var wg sync.WaitGroup
	placed := f.placed(hosts)
	for _, h := range hosts {
		wg.Go(func() {
			for loadCtx.Err() == nil {
				for app, on := range placed {
					if on[0] != h.id || loadCtx.Err() != nil {
						continue
					}
					asked.Add(1)
					if err := h.get(loadCtx, app); err != nil && !errors.Is(err, context.Canceled) {
						lost.Add(1)
						fmt.Printf("%s on %s: %v\n", app, h.id, err)
					}
				}
				_ = sleep(loadCtx, 10*time.Millisecond)
			}
		})
	}
	for step := range 10 {
		switch step {
		case 0:
			m.kill(0)
			m.kill(1)
		case outageTenths:
			m.kill(2)
		}
		if err := sleep(ctx, b.outage/10); err != nil {
			return t, err
		}
	}
	during := processes()
	for i := range m.running {
		if err := m.start(i); err != nil {
			return t, err
		}
	}
	if err := m.ready(ctx); err != nil {
		return t, err
	}
	client := m.client()
	defer client.Close()
	if err := wait(ctx, 2*time.Minute, "all hosts there again", func() bool {
		v, err := client.View(ctx)
		return err == nil && len(v.Hosts) == realHosts && len(v.Endpoints) == len(f.apps)
	}); err != nil {
		return t, err
	}
	if err := sleep(ctx, 15*time.Second); err != nil { // longer than anybody waits for anything to count
		return t, err
	}
	end()
	wg.Wait()
	what := fmt.Sprintf("%v without etcd under load, %d requests: lost", b.outage, asked.Load())
	t.value(what, "%.0f", float64(lost.Load()), 0, "")
	t.value(fmt.Sprintf("the same, %d processes: ended or begun", len(before)), "%.0f", float64(differing(before, during)), 0, "")
	t.value("the same, when etcd is back: ended or begun", "%.0f", float64(differing(before, processes())), 0, "")
	for _, r := range t.rows {
		if r.value != 0 {
			return t, fmt.Errorf("%s: %g, and none may be", r.what, r.value)
		}
	}
	return t, nil
}

// differing is how many are in one of two sorted sets alone.
func differing(a, b []int) (n int) {
	for _, p := range a {
		if _, both := slices.BinarySearch(b, p); !both {
			n++
		}
	}
	for _, p := range b {
		if _, both := slices.BinarySearch(a, p); !both {
			n++
		}
	}
	return n
}
