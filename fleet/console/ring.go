package console

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// window is how far back the charts go.
const window = 5 * time.Minute

// classes are the kinds of answers: 2xx and less, 3xx, 4xx, 5xx.
const classes = 4

// point is one sample of an app.
type point struct {
	at      time.Time
	up      bool // its master has answered
	total   [classes]uint64
	rate    [classes]float64 // answers a second since the point before
	p50     float64          // milliseconds
	p99     float64
	busy    int
	workers int
	waiting int
}

func pointOf(st *fleet.AppStatus, c *runner.Counters, now time.Time) point {
	p := point{at: now, up: st.Master != nil && c != nil, workers: len(st.Workers), busy: st.Busy(), waiting: st.Requests.Waiting,
		p50: st.Requests.P50, p99: st.Requests.P99}
	if c != nil {
		for code, n := range c.Codes {
			p.total[min(max(code/100-2, 0), classes-1)] += n
		}
	}
	return p
}

// ring are the samples of an app in the window.
type ring struct {
	seen   time.Time // when somebody looked last
	points []point
}

func (r *ring) add(p point) {
	if n := len(r.points); n > 0 {
		last := r.points[n-1]
		if span := p.at.Sub(last.at).Seconds(); span > 0 && p.up && last.up {
			for i := range p.total {
				// Another master begins at 0.
				if p.total[i] >= last.total[i] {
					p.rate[i] = float64(p.total[i]-last.total[i]) / span
				}
			}
		}
	}
	first := 0
	for first < len(r.points) && p.at.Sub(r.points[first].at) > window {
		first++
	}
	if first > 0 {
		r.points = append(r.points[:0], r.points[first:]...)
	}
	r.points = append(r.points, p)
}

// all is a copy.
func (r *ring) all() []point { return append([]point(nil), r.points...) }
