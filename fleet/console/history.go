package console

import (
	"math"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

const (
	// dayStep is the time of one sample of the fleet: what masters say comes as often.
	dayStep = 15 * time.Second
	// daySteps is how many there are: 24 hours.
	daySteps = int(24 * time.Hour / dayStep)
	// dayLate is how long after its end a sample is complete: nobody speaks less often.
	dayLate = 2 * dayStep
	// longSilence is from when on what was between two words of a master is not known.
	longSilence = time.Minute
	// hourMinutes is how many minutes are kept of each app.
	hourMinutes = 60
	// hourKept are some more, of which the newest ones are not complete.
	hourKept = hourMinutes + 4
)

// sums are of all apps in a time: amounts, and amounts times seconds.
type sums struct{ requests, errors, busy, memory float32 }

// history is what the masters have said in the last 24 hours, added up, and of each app by
// minutes the requests of the last hour. It is told by others, asks nobody and has no
// goroutine: 90 KB, and half a kilobyte for each app that has had a master in that hour.
type history struct {
	mu    sync.Mutex
	began time.Time // nothing is known from before
	steps []sums    // guarded by mu: a ring by time; nil: nobody has said anything yet
	last  int64     // guarded by mu: the newest step, counted from 1970
	apps  map[string]*appHour
}

// appHour is one app.
type appHour struct {
	pid     int
	at      time.Time
	totals  runner.Totals
	last    int64 // the newest minute
	minutes [hourKept]struct{ requests, errors float32 }
}

func newHistory(now time.Time) *history { return &history{began: now, apps: map[string]*appHour{}} }

// at is a time by the clock as it was when the history began, and as it has gone on since:
// one that is set meanwhile would count what was in a quarter of a minute for an hour, or
// twice.
func (d *history) at(now time.Time) time.Time { return d.began.Add(now.Sub(d.began)) }

// tell takes what a master says at a time.
func (d *history) tell(app string, pid int, t runner.Totals, now time.Time) {
	if app == appspec.GateName {
		return // its connections are the apps' requests
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now = d.at(now)
	a := d.apps[app]
	if a == nil {
		d.sweep(now)
		a = &appHour{}
		d.apps[app] = a
	}
	was, from := a.totals, a.at
	known := a.pid == pid && now.After(from) && now.Sub(from) <= longSilence && t.Requests >= was.Requests && t.Errors >= was.Errors
	a.pid, a.at, a.totals = pid, now, t
	if !known {
		return
	}
	span := now.Sub(from)
	requests, errors := float64(t.Requests-was.Requests), float64(t.Errors-was.Errors)
	for s := from.UnixNano() / int64(dayStep); s <= now.UnixNano()/int64(dayStep); s++ {
		part := overlap(from, now, s, dayStep)
		share := float64(part) / float64(span)
		x := d.step(s)
		x.requests += float32(requests * share)
		x.errors += float32(errors * share)
		x.busy += float32(float64(t.Busy) * part.Seconds())
		x.memory += float32(float64(t.RSS) * part.Seconds())
	}
	for m := from.Unix() / 60; m <= now.Unix()/60; m++ {
		share := float64(overlap(from, now, m, time.Minute)) / float64(span)
		x := a.minute(m)
		x.requests += float32(requests * share)
		x.errors += float32(errors * share)
	}
}

// overlap is how much of a time is within the n-th step since 1970.
func overlap(from, to time.Time, n int64, step time.Duration) time.Duration {
	begin := time.Unix(0, n*int64(step))
	end := begin.Add(step)
	if begin.Before(from) {
		begin = from
	}
	if end.After(to) {
		end = to
	}
	return max(0, end.Sub(begin))
}

// step is a sample that may be added to; those that were skipped are of nobody. The caller
// holds mu.
func (d *history) step(s int64) *sums {
	if d.steps == nil {
		d.steps, d.last = make([]sums, daySteps), s
	}
	for ; d.last < s; d.last++ {
		d.steps[(d.last+1)%int64(daySteps)] = sums{}
	}
	return &d.steps[s%int64(daySteps)]
}

func (a *appHour) minute(m int64) *struct{ requests, errors float32 } {
	if m-a.last > hourKept {
		a.minutes, a.last = [hourKept]struct{ requests, errors float32 }{}, m
	}
	for ; a.last < m; a.last++ {
		a.minutes[(a.last+1)%hourKept] = struct{ requests, errors float32 }{}
	}
	return &a.minutes[m%hourKept]
}

// sweep forgets apps that have said nothing for an hour. The caller holds mu.
func (d *history) sweep(now time.Time) {
	for name, a := range d.apps {
		if now.Sub(a.at) > hourMinutes*time.Minute {
			delete(d.apps, name)
		}
	}
}

// level is what was in a part of the time that a chart shows: amounts a second, but for
// memory in bytes; unknown: the daemon did not run.
type level struct {
	at                             time.Time
	requests, errors, busy, memory float64
	unknown                        bool
}

// dayParts is in how many pieces a chart of the day is drawn.
const dayParts = 288

// levels are the pieces of the last 24 hours, of each the highest values; nil: there is no
// sample that is complete.
func (d *history) levels(now time.Time) []level {
	d.mu.Lock()
	defer d.mu.Unlock()
	now = d.at(now)
	newest := now.Add(-dayLate).UnixNano()/int64(dayStep) - 1
	first := d.began.UnixNano()/int64(dayStep) + 1
	if newest < first {
		return nil
	}
	const each = int64(daySteps / dayParts)
	end := newest/each + 1 // of pieces, which begin at whole multiples
	var out []level
	for piece := end - dayParts; piece < end; piece++ {
		l := level{at: time.Unix(0, piece*each*int64(dayStep)), unknown: true}
		for s := piece * each; s < (piece+1)*each; s++ {
			if s < first || s > newest {
				continue
			}
			l.unknown = false
			if d.steps == nil || s > d.last || s <= d.last-int64(daySteps) {
				continue
			}
			x := d.steps[s%int64(daySteps)]
			l.requests = max(l.requests, float64(x.requests)/dayStep.Seconds())
			l.errors = max(l.errors, float64(x.errors)/dayStep.Seconds())
			l.busy = max(l.busy, float64(x.busy)/dayStep.Seconds())
			l.memory = max(l.memory, float64(x.memory)/dayStep.Seconds())
		}
		out = append(out, l)
	}
	return out
}

// hour are the last minutes of an app; nil: nothing is known of any.
func (d *history) hour(app string, now time.Time) []level {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.apps[app]
	if a == nil || a.last == 0 {
		return nil
	}
	now = d.at(now)
	newest := now.Add(-dayLate).Unix()/60 - 1
	var out []level
	for m := newest - hourMinutes + 1; m <= newest; m++ {
		l := level{at: time.Unix(m*60, 0), unknown: m < d.began.Unix()/60+1}
		if m <= a.last && m > a.last-hourKept {
			l.requests, l.errors = float64(a.minutes[m%hourKept].requests)/60, float64(a.minutes[m%hourKept].errors)/60
		}
		out = append(out, l)
	}
	if out[len(out)-1].unknown {
		return nil
	}
	return out
}

// whole makes a level of a number that was added up of shares one that people read.
func whole(v float64) float64 { return math.Round(v*100) / 100 }
