package cluster

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

// TestClocksAnHourOffDecideTheSame: hosts whose clocks are an hour ahead and behind see the
// same hosts come and go, and count the same ones at each moment: only spans of a host's
// own clock are compared.
func TestClocksAnHourOffDecideTheSame(t *testing.T) {
	t.Parallel()
	now := time.Now()
	offsets := []time.Duration{0, time.Hour, -time.Hour}
	observers := make([]Members, len(offsets))
	hosts := func(n int, without ...int) (out []Host) {
		for i := range n {
			gone := false
			for _, w := range without {
				gone = gone || w == i
			}
			if !gone {
				out = append(out, Host{ID: fmt.Sprintf("h%d", i), Region: "eu1"})
			}
		}
		return out
	}
	for step, there := range [][]Host{hosts(5), hosts(5, 2), hosts(5, 2), hosts(5, 2), hosts(6), hosts(6), hosts(6), hosts(6, 0, 1, 2, 3), hosts(6, 0, 1, 2, 3), hosts(6)} {
		for range 4 {
			now = now.Add(time.Second)
			for i := range observers {
				observers[i].Observe(now.Add(offsets[i]), there, 0)
			}
			for i := range observers {
				if got, want := observers[i].Counting(), observers[0].Counting(); !reflect.DeepEqual(got, want) {
					t.Fatalf("step %d: a clock %v off counts %v, not %v", step, offsets[i], got, want)
				}
				if got, want := observers[i].Frozen(), observers[0].Frozen(); got != want {
					t.Fatalf("step %d: a clock %v off: %q, not %q", step, offsets[i], got, want)
				}
			}
		}
	}
	if got := observers[1].Counting(); len(got) != 6 {
		t.Errorf("in the end %v count", got)
	}
}
