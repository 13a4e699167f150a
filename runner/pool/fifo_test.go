package pool

import (
	"slices"
	"testing"
)

// What several workers give back is in the order in which it came, whatever the order in
// which they do.
func TestPutBackInOrder(t *testing.T) {
	for name, from := range map[string]uint32{"small": 1, "around": 1<<32 - 6} {
		t.Run(name, func(t *testing.T) {
			var q fifo
			number := func(i uint32) *Exchange { return &Exchange{seq: from + i} }
			for _, i := range []uint32{6, 8, 9} {
				q.push(number(i))
			}
			for _, i := range []uint32{4, 7, 2, 0, 1, 10, 5, 3} {
				q.putBack(number(i))
			}
			var got []uint32
			for q.n > 0 {
				got = append(got, q.pop().seq-from)
			}
			if want := []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}; !slices.Equal(got, want) {
				t.Errorf("in the order %d", got)
			}
		})
	}
}

// Nothing waits behind a request that takes long, where another could have it.
func TestDepth(t *testing.T) {
	for _, c := range []struct {
		capacity, waiting int
		service           int64
		want              int
	}{
		{1, 0, 0, slotDepth},
		{1, 9, 20e6, slotDepth}, // nobody else could have it
		{4, 0, 100e3, 2},
		{4, 8, 100e3, 4},
		{4, 1000, 100e3, slotDepth},
		{4, 1000, rescueAfter, 1},
		{4, 0, 20e6, 1},
	} {
		p := &Pool{capacity: c.capacity, prefetched: c.waiting}
		p.scaler.service = c.service
		if got := p.depth(); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
