package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/cmd/wsgid-fleet/e2e"
)

// times are those that requests took in one state of the server.
type times struct {
	mu  sync.Mutex
	all []time.Duration
}

func (t *times) add(d time.Duration) {
	t.mu.Lock()
	t.all = append(t.all, d)
	t.mu.Unlock()
}

// quantile in milliseconds, emptied after it.
func (t *times) quantile(q float64) (float64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all) == 0 {
		return 0, errors.New("no request was answered")
	}
	slices.Sort(t.all)
	d := t.all[int(float64(len(t.all)-1)*q)]
	t.all = t.all[:0]
	return ms(d), nil
}

// between is how long the app is left alone between two deploys.
const between = 300 * time.Millisecond

// deploysUnderLoad deploys an app many times while sixteen connections ask it
// without a pause, and compares the time of requests during a deploy and between
// two of them.
func (b *bench) deploysUnderLoad(ctx context.Context, _ site) error {
	r, d, err := b.deployNew(ctx, 1)
	if err != nil {
		return err
	}
	defer d.stop()
	var without, during times
	var now atomic.Pointer[times] // nil: not counted
	load := &e2e.Load{App: "hello", Addr: strings.TrimPrefix(d.url, "http://"), Connections: 16, KeepAlive: true}
	load.Answered = func(took time.Duration) {
		if t := now.Load(); t != nil {
			t.add(took)
		}
	}
	load.Start()
	var with, alone, ratios []float64
	for range b.rounds {
		for range (b.deployments + b.rounds - 1) / b.rounds {
			if err := d.underLoad(ctx, &now, &without, &during); err != nil {
				load.Stop()
				return err
			}
		}
		now.Store(nil)
		a, err := without.quantile(0.99)
		w, werr := during.quantile(0.99)
		if err := errors.Join(err, werr); err != nil {
			load.Stop()
			return err
		}
		with, alone, ratios = append(with, w), append(alone, a), append(ratios, w/a)
	}
	counts := load.Stop()
	what := fmt.Sprintf("%d deploys in a row, 16 connections", r.n-1)
	b.table.add(row{
		what: what + ": p99 during a deploy", ours: fmt.Sprintf("%.2f ms", median(with)),
		their: fmt.Sprintf("%.2f ms", median(alone)), peer: "the same app, between two deploys",
		ratio: median(ratios), bar: bar{most: 2},
	})
	b.table.add(row{
		what: what + ": requests with a good answer", ours: fmt.Sprintf("%d of %d", counts.Good, counts.Sent),
		value: 100 * float64(counts.Good) / float64(counts.Sent), bar: bar{least: 100, unit: "%"},
	})
	for _, l := range counts.Lost[:min(len(counts.Lost), 10)] {
		fmt.Println("lost:", l)
	}
	return nil
}

// underLoad leaves the app alone for a while and deploys it.
func (d *deployed) underLoad(ctx context.Context, now *atomic.Pointer[times], without, during *times) error {
	now.Store(without)
	if err := sleep(ctx, between); err != nil {
		return err
	}
	now.Store(nil)
	version, err := d.next(ctx, false)
	if err != nil {
		return err
	}
	now.Store(during)
	if _, err := d.deploy(ctx); err != nil {
		return err
	}
	now.Store(nil)
	return answers(ctx, d.url, version, d.log)
}
