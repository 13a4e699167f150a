package metrics

import (
	"slices"
	"sync"
	"time"
)

// reconcileBounds are the buckets of wsgid_fleet_reconcile_seconds.
var reconcileBounds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}

// Reconciles counts how often apps were brought to their specs, and what it took. The
// zero value is ready.
type Reconciles struct {
	mu     sync.Mutex // guards what follows
	counts []uint64   // not cumulative
	sum    float64
	failed uint64
}

// Note counts one.
func (p *Reconciles) Note(d time.Duration, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counts == nil {
		p.counts = make([]uint64, len(reconcileBounds)+1)
	}
	i, _ := slices.BinarySearch(reconcileBounds, d.Seconds())
	p.counts[i]++
	p.sum += d.Seconds()
	if failed {
		p.failed++
	}
}

// cumulated is the passes, cumulative, the seconds of all, and how many have failed.
func (p *Reconciles) cumulated() (counts []uint64, sum float64, failed uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts = make([]uint64, len(reconcileBounds)+1)
	var total uint64
	for i := range counts {
		if p.counts != nil {
			total += p.counts[i]
		}
		counts[i] = total
	}
	return counts, p.sum, p.failed
}
