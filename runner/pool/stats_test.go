package pool

import (
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

func TestStats(t *testing.T) {
	var s stats
	second := int64(time.Second)
	if r := s.rate(second / 2); r != 0 {
		t.Errorf("rate of nothing: %v", r)
	}
	for sec := range int64(5) {
		for range 10 {
			s.answered(sec*second, 3e6, 200)
		}
	}
	if r := s.rate(5 * second); r != 10 {
		t.Errorf("rate after 5 s: %v", r)
	}
	if r := s.rate(10 * second); r != 5 {
		t.Errorf("rate after 10 s: %v", r)
	}
	if r := s.rate(1000 * second); r != 0 {
		t.Errorf("rate after a long silence: %v", r)
	}
	s.answered(1000*second, 61e9, 499)
	s.answered(1000*second, 1e6, 599)
	s.answered(1000*second, -5, 7) // nonsense harms nothing
	c := s.counters()
	if c.Codes[200] != 50 || c.Codes[499] != 1 || c.Codes[599] != 1 || len(c.Codes) != 3 {
		t.Errorf("codes %v", c.Codes)
	}
	if b := c.Buckets; b[0] != 2 || b[1] != 2 || b[2] != 52 || b[len(b)-2] != 52 || b[len(b)-1] != 53 || len(b) != len(control.DurationBounds())+1 {
		t.Errorf("buckets %v", b)
	}
}

func BenchmarkStats(b *testing.B) {
	var s stats
	for i := range b.N {
		s.answered(int64(i)*1000, 300_000, 200)
	}
}
