package console

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

// chart is one of those on the page of an app. All have the time axis of the window.
type chart struct {
	ID, Title string
	Top       string // what the upper edge stands for
	Text      string // what it shows, for those who do not see it
	Paths     []path
	Legend    []legend
}

type path struct{ Class, D string }

// plots are charts of one time axis.
type plots struct {
	Charts []chart
	Axis   []mark
}

// Grid are the lines behind each of them: at the top, in the middle, and at the marks.
func (p plots) Grid() string {
	var b strings.Builder
	b.WriteString("M0 .5H600M0 50H600")
	for _, m := range p.Axis {
		if m.X > 0 && m.X < 100 {
			fmt.Fprintf(&b, "M%d 0V100", 6*m.X)
		}
	}
	return b.String()
}

type legend struct{ Class, Name, Now string }

// mark is a time of the axis, in percent of its width from the left.
type mark struct {
	X    int
	Text string
}

// The plots are drawn in these units and stretched to what room there is.
const (
	plotWidth  = 600.0
	plotHeight = 100.0
)

// charts draws the samples.
func charts(points []point) ([]chart, []mark) {
	end := time.Now()
	if n := len(points); n > 0 {
		end = points[n-1].at
	}
	axis := []mark{{0, "5 min ago"}, {20, "4"}, {40, "3"}, {60, "2"}, {80, "1"}, {100, clock(end)}}
	x := func(at time.Time) float64 { return plotWidth * (1 - float64(end.Sub(at))/float64(window)) }
	series := func(class, name string, v func(*point) float64) line {
		l := line{class: class, name: name}
		for i := range points {
			p := &points[i]
			l.x, l.y, l.gap = append(l.x, x(p.at)), append(l.y, v(p)), append(l.gap, !p.up)
		}
		return l
	}
	number := func(v float64) string { return words.Number(v) }
	var requests []line
	for i, name := range []string{"2xx", "3xx", "4xx", "5xx"} {
		requests = append(requests, series("c"+name[:1], name, func(p *point) float64 { return p.rate[i] }))
	}
	latency := []line{
		series("p50", "p50", func(p *point) float64 { return p.p50 }),
		series("p99", "p99", func(p *point) float64 { return p.p99 }),
	}
	workers := []line{
		series("all", "workers", func(p *point) float64 { return float64(p.workers) }),
		series("busy", "busy", func(p *point) float64 { return float64(p.busy) }),
		series("queue", "waiting requests", func(p *point) float64 { return float64(p.waiting) }),
	}
	return []chart{
		stacked("requests", "Requests a second", minutes5, requests, number),
		drawn("latency", "Latency", minutes5, latency, func(ms float64) string { return words.Latency(ms) }),
		drawn("workers", "Workers and queue", minutes5, workers, number),
	}, axis
}

// minutes5 is the time of the charts of an app.
const minutes5 = "in the last five minutes"

// line is one series; gap: there is no value.
type line struct {
	class, name string
	x, y        []float64
	gap         []bool
}

func (l *line) now() (float64, bool) {
	n := len(l.y)
	if n == 0 || l.gap[n-1] {
		return 0, false
	}
	return l.y[n-1], true
}

func (l *line) legend(say func(float64) string) legend {
	now := words.None
	if v, ok := l.now(); ok {
		now = say(v)
	}
	return legend{l.class, l.name, now}
}

// nice is a round number at or above v.
func nice(v float64) float64 {
	if v <= 1 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5, 10} {
		if v <= m*unit {
			return m * unit
		}
	}
	return v
}

func highest(ls []line) (top float64) {
	for _, l := range ls {
		for i, v := range l.y {
			if !l.gap[i] {
				top = max(top, v)
			}
		}
	}
	return top
}

func finish(c chart, span string, ls []line, peak float64, say func(float64) string) chart {
	var now []string
	for _, l := range ls {
		lg := l.legend(say)
		c.Legend = append(c.Legend, lg)
		now = append(now, lg.Name+" "+lg.Now)
	}
	c.Text = fmt.Sprintf("%s %s. Now: %s. Highest: %s.", c.Title, span, strings.Join(now, ", "), say(peak))
	return c
}

// drawn draws lines; span says of what time.
func drawn(id, title, span string, ls []line, say func(float64) string) chart {
	peak := highest(ls)
	top := nice(peak)
	c := chart{ID: id, Title: title, Top: say(top)}
	for _, l := range ls {
		var b strings.Builder
		down := true
		for i, v := range l.y {
			if l.gap[i] {
				down = true
				continue
			}
			fmt.Fprintf(&b, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[down], l.x[i], plotHeight*(1-v/top))
			down = false
		}
		c.Paths = append(c.Paths, path{"line " + l.class, b.String()})
	}
	return finish(c, span, ls, peak, say)
}

// stacked draws areas on each other, the first at the bottom.
func stacked(id, title, span string, ls []line, say func(float64) string) chart {
	if len(ls) == 0 {
		return chart{ID: id, Title: title}
	}
	n := len(ls[0].y)
	sum := make([]float64, n)
	peak := 0.0
	for i := range n {
		for _, l := range ls {
			if !l.gap[i] {
				sum[i] += l.y[i]
			}
		}
		peak = max(peak, sum[i])
	}
	top := nice(peak)
	c := chart{ID: id, Title: title, Top: say(top)}
	floor := make([]float64, n)
	for _, l := range ls {
		var up, down strings.Builder
		for i := range n {
			y := floor[i]
			if !l.gap[i] {
				y += l.y[i]
			}
			fmt.Fprintf(&up, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], l.x[i], plotHeight*(1-y/top))
		}
		for i := n - 1; i >= 0; i-- {
			fmt.Fprintf(&down, "L%.1f %.1f", l.x[i], plotHeight*(1-floor[i]/top))
			if !l.gap[i] {
				floor[i] += l.y[i]
			}
		}
		if n > 1 {
			c.Paths = append(c.Paths, path{"area " + l.class, up.String() + down.String() + "Z"})
		}
	}
	return finish(c, span, ls, peak, say)
}
