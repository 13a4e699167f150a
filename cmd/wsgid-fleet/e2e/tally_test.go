package e2e

import (
	"maps"
	"slices"
	"sync"
	"testing"
)

// tally counts what a tempest did, and what became of it.
type tally struct {
	mu     sync.Mutex
	counts map[string]int // guarded by mu
}

func (c *tally) count(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[what]++
}

// tell logs what was counted.
func (c *tally) tell(t *testing.T) {
	t.Helper()
	for _, what := range slices.Sorted(maps.Keys(c.counts)) {
		t.Logf("%6d %s", c.counts[what], what)
	}
}
