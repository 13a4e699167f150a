package console

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

// dayView are the charts of the last 24 hours.
type dayView struct {
	Minute int64 // since 1970, when it was drawn: there is nothing newer in it
	Charts []chart
	Axis   []mark
}

func (c *Console) dayView(now time.Time) dayView {
	v := dayView{Minute: now.Unix() / 60}
	levels := c.day.levels(now)
	if levels == nil {
		return v
	}
	lines := linesOf(levels, 24*time.Hour)
	number := words.Number
	const span = "in the last 24 hours"
	v.Charts = []chart{
		drawn("requests", "Requests a second", span, []line{
			lines("all", "requests", func(l *level) float64 { return l.requests }),
			lines("queue", "errors", func(l *level) float64 { return l.errors })}, number),
		drawn("busy", "Busy workers", span, []line{lines("busy", "busy", func(l *level) float64 { return l.busy })}, number),
		drawn("memory", "Memory", span, []line{lines("p50", "resident", func(l *level) float64 { return l.memory })}, func(v float64) string { return words.Size(int64(v)) }),
	}
	v.Axis = []mark{{0, "24 h ago"}, {25, "18"}, {50, "12"}, {75, "6"}, {100, now.Local().Format("15:04")}}
	return v
}

// hourChart is that of the last hour of an app; without paths: nothing is known yet.
func (c *Console) hourChart(app string, now time.Time) ([]chart, []mark) {
	levels := c.day.hour(app, now)
	if levels == nil {
		return nil, nil
	}
	lines := linesOf(levels, time.Hour)
	return []chart{drawn("hour", "Requests a second, by minutes", "in the last hour", []line{
		lines("all", "requests", func(l *level) float64 { return l.requests }),
		lines("queue", "errors", func(l *level) float64 { return l.errors })}, words.Number),
	}, []mark{{0, "1 h ago"}, {25, "45"}, {50, "30"}, {75, "15"}, {100, now.Local().Format("15:04")}}
}

// linesOf makes lines of levels, which end at the right edge.
func linesOf(levels []level, span time.Duration) func(class, name string, v func(*level) float64) line {
	end := levels[len(levels)-1].at
	return func(class, name string, v func(*level) float64) line {
		l := line{class: class, name: name}
		for i := range levels {
			l.x = append(l.x, plotWidth*(1-float64(end.Sub(levels[i].at))/float64(span)))
			l.y = append(l.y, whole(v(&levels[i])))
			l.gap = append(l.gap, levels[i].unknown)
		}
		return l
	}
}
