package runner

import (
	"math/bits"
	"time"
)

// statsWindow is the span of the recent past that the quantiles speak of: the
// running window and the one before it.
const statsWindow = int64(30 * time.Second)

// stats counts an app's requests.
type stats struct {
	total, errors, rejected, timeouts uint64
	active                            int

	recent, before *histogram
	since          int64 // start of the recent window
}

// histogram counts durations in buckets of a relative width of an eighth.
type histogram [40 * 8]uint32

// bucket of a duration in nanoseconds, from 1 µs up.
func bucket(ns int64) int {
	us := uint64(max(ns, 0)) / 1000
	if us < 8 {
		return int(us)
	}
	shift := bits.Len64(us) - 4
	return min(8*(shift+1)+int(us>>shift)-8, len(histogram{})-1)
}

// upper bound of a bucket, in microseconds.
func bucketValue(b int) float64 {
	if b < 8 {
		return float64(b + 1)
	}
	shift := b/8 - 1
	return float64(uint64(b%8+9) << shift)
}

// latency notes a duration.
func (s *stats) latency(now, ns int64) {
	s.roll(now)
	s.recent[bucket(ns)]++
}

func (s *stats) roll(now int64) {
	if s.recent == nil {
		s.recent, s.before, s.since = &histogram{}, &histogram{}, now
	}
	switch {
	case now-s.since > 2*statsWindow:
		*s.recent, *s.before, s.since = histogram{}, histogram{}, now
	case now-s.since > statsWindow:
		s.recent, s.before = s.before, s.recent
		*s.recent = histogram{}
		s.since = now
	}
}

// quantiles returns the p50 and p99 of the recent past in milliseconds.
func (s *stats) quantiles(now int64) (p50, p99 float64) {
	if s.recent == nil {
		return 0, 0
	}
	s.roll(now)
	var n uint64
	for i := range s.recent {
		n += uint64(s.recent[i]) + uint64(s.before[i])
	}
	if n == 0 {
		return 0, 0
	}
	var seen uint64
	for i := range s.recent {
		c := uint64(s.recent[i]) + uint64(s.before[i])
		if seen*2 < n && (seen+c)*2 >= n {
			p50 = bucketValue(i) / 1000
		}
		if seen*100 < n*99 && (seen+c)*100 >= n*99 {
			p99 = bucketValue(i) / 1000
		}
		seen += c
	}
	return p50, p99
}
