package pool

import (
	"math/bits"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// statsWindow is the span of the recent past that the quantiles speak of: the
// running window and the one before it.
const statsWindow = int64(30 * time.Second)

// rateSpan is the number of whole seconds that a rate is the average of.
const rateSpan = 10

// stats counts an app's requests. Counting is an increment in an array on the
// loop; everything else is done when somebody asks.
type stats struct {
	total, errors, rejected, timeouts uint64
	active                            int

	codes     [500]uint64                     // answers by status, less 100
	durations [len(control.Bounds) + 1]uint64 // not cumulative; the last is beyond all bounds
	duration  uint64                          // sum, in nanoseconds
	restarts  [len(restartReasons)]uint64     // of workers, by reason
	seconds   [rateSpan + 1]uint32            // ended requests by second, a ring
	second    int64                           // of the loop's time, the one being counted

	recent, before *histogram
	since          int64 // start of the recent window
}

// restartReason is why a worker was replaced though nobody asked for it.
type restartReason int

const (
	restartDied     restartReason = iota // it ended by itself, or somebody killed it
	restartStart                         // it could not start
	restartTimeout                       // a request exceeded workers.request_timeout
	restartMemory                        // workers.max_memory
	restartRequests                      // workers.max_requests
	restartAge                           // workers.max_age
	restartHealth                        // its health checks failed
	restartBroke                         // it did what no worker may do
)

// restartReasons are their names in Counters.Restarts.
var restartReasons = [...]string{"died", "start", "timeout", "memory", "requests", "age", "health", "broke"}

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

// answered notes that a request has ended with a status after ns nanoseconds.
func (s *stats) answered(now, ns int64, status int) {
	if i := status - 100; i >= 0 && i < len(s.codes) {
		s.codes[i]++
	}
	b := 0
	for b < len(control.Bounds) && ns > control.Bounds[b] {
		b++
	}
	s.durations[b]++
	s.duration += uint64(max(ns, 0))
	s.tick(now)
	s.seconds[s.second%int64(len(s.seconds))]++
	s.latency(now, ns)
}

// tick moves the ring of seconds on.
func (s *stats) tick(now int64) {
	sec := now / int64(time.Second)
	if sec == s.second {
		return
	}
	for i := max(s.second+1, sec-rateSpan); i <= sec; i++ {
		s.seconds[i%int64(len(s.seconds))] = 0
	}
	s.second = sec
}

// rate is the number of requests a second over the last whole seconds.
func (s *stats) rate(now int64) float64 {
	s.tick(now)
	span := min(s.second, rateSpan) // a young master has less to speak of
	var n uint64
	for i := s.second - span; i < s.second; i++ {
		n += uint64(s.seconds[i%int64(len(s.seconds))])
	}
	if span == 0 {
		return 0
	}
	return float64(n) / float64(span)
}

// latency notes a duration for the quantiles.
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

// counters are the stats in the form of a Status.
func (s *stats) counters() *control.Counters {
	c := &control.Counters{Codes: map[int]uint64{}, Buckets: make([]uint64, len(s.durations)),
		Seconds: float64(s.duration) / 1e9, Restarts: map[string]uint64{}}
	for i, n := range s.codes {
		if n > 0 {
			c.Codes[i+100] = n
		}
	}
	var sum uint64
	for i, n := range s.durations {
		sum += n
		c.Buckets[i] = sum
	}
	for i, n := range s.restarts {
		c.Restarts[restartReasons[i]] = n
	}
	return c
}
