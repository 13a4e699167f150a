package pool

import (
	"testing"
	"time"
)

// Every decision of the scaler, from its facts alone.
func TestDecideScale(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name string
		f    scaleFacts
		want int
		why  string
	}{
		{"nothing to do", scaleFacts{Min: 1, Max: 8, Want: 2, Ready: 2, IdleTimeout: time.Minute, IdleFor: time.Second}, 2, ""},
		{"the first request of an idle app", scaleFacts{Max: 8, Waiting: 1}, 1, "a request arrived"},
		{"many at once to an idle app: how long they take is not known", scaleFacts{Max: 8, Waiting: 100}, 1, "a request arrived"},
		{"a worker is starting already", scaleFacts{Max: 8, Want: 1, Waiting: 100, OldestWait: time.Second}, 1, ""},
		{"what waits is soon served", scaleFacts{Min: 1, Max: 8, Want: 1, Ready: 1, Waiting: 10, Service: ms, OldestWait: 5 * ms}, 1, ""},
		{"what waits is not soon served", scaleFacts{Min: 1, Max: 8, Want: 1, Ready: 1, Waiting: 10, Service: 20 * ms, OldestWait: 5 * ms},
			4, "10 requests waiting, the first for 5ms"},
		{"it waits too long already", scaleFacts{Min: 1, Max: 8, Want: 1, Ready: 1, Waiting: 1, OldestWait: 60 * ms},
			2, "1 requests waiting, the first for 60ms"},
		{"as many as the wait asks, at once", scaleFacts{Min: 1, Max: 8, Want: 1, Ready: 1, Waiting: 100, Service: 50 * ms, OldestWait: 30 * ms},
			8, "100 requests waiting, the first for 30ms"},
		{"no more than wait", scaleFacts{Min: 1, Max: 8, Want: 1, Ready: 1, Waiting: 2, Service: time.Second, OldestWait: 60 * ms},
			3, "2 requests waiting, the first for 60ms"},
		{"threads count", scaleFacts{Min: 1, Max: 8, Want: 1, Ready: 1, Threads: 4, Waiting: 8, Service: time.Second, OldestWait: 60 * ms},
			3, "8 requests waiting, the first for 60ms"},
		{"no more than max", scaleFacts{Min: 1, Max: 2, Want: 2, Ready: 2, Waiting: 100, Service: time.Second, OldestWait: time.Second}, 2, ""},
		{"down by one", scaleFacts{Min: 1, Max: 8, Want: 5, Ready: 5, IdleFor: time.Minute, IdleTimeout: time.Minute}, 4, "a worker was idle for 1m0s"},
		{"not yet down", scaleFacts{Min: 1, Max: 8, Want: 5, Ready: 5, IdleFor: 59 * time.Second, IdleTimeout: time.Minute}, 5, ""},
		{"not down while requests wait", scaleFacts{Min: 1, Max: 8, Want: 5, Ready: 5, Waiting: 1, IdleFor: time.Minute, IdleTimeout: time.Minute}, 5, ""},
		{"no fewer than min", scaleFacts{Min: 2, Max: 8, Want: 2, Ready: 2, IdleFor: time.Hour, IdleTimeout: time.Minute}, 2, ""},
		{"to none", scaleFacts{Max: 8, Want: 1, Ready: 1, IdleFor: time.Minute, IdleTimeout: time.Minute}, 0, "a worker was idle for 1m0s"},
		{"no idle_timeout, no way down", scaleFacts{Min: 1, Max: 8, Want: 5, Ready: 5, IdleFor: time.Hour}, 5, ""},
		{"new bounds from below", scaleFacts{Min: 3, Max: 8, Want: 1, Ready: 1}, 3, ""},
		{"new bounds from above", scaleFacts{Min: 1, Max: 2, Want: 5, Ready: 5}, 2, ""},
	} {
		if want, why := decideScale(c.f); want != c.want || why != c.why {
			t.Errorf("%s: %d %q, want %d %q", c.name, want, why, c.want, c.why)
		}
	}
}
