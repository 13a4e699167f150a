package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// kill is something that may excuse a lost request.
type kill struct {
	app  string
	what string // killed worker, stopped worker, killed master
	at   time.Time
	gone time.Time // when it was seen to be dead, or stopped
	left int       // how many requests it can still excuse
}

const (
	killedWorker  = "killed worker"
	stoppedWorker = "stopped worker"
	killedMaster  = "killed master"
)

// outage is a time for which apps were ended on purpose, or their sockets with
// who held them.
type outage struct {
	what     string
	from, to time.Time
	kept     bool // somebody had the sockets: nobody is refused
	asleep   bool // of apps without a master only
	// reset counts, by app, who connected in the moment of the close: the kernel has
	// accepted them, nobody else.
	reset map[string]int
}

// byGate begins the names of loads that come through the gate.
const byGate = "gate:"

// excuses tells whether a loss is no more than that.
func (o *outage) excuses(l Lost, a *stormApp) bool {
	if l.Until.Before(o.from) || o.asleep && !a.idle {
		return false
	}
	if a.m2 {
		// mongrel2 drops what it holds for a peer that goes, and what it is asked
		// until it has noticed the next.
		return l.Cause == TimedOut && l.Since.Before(o.to.Add(time.Second))
	}
	if l.Since.After(o.to) {
		return false
	}
	if strings.HasPrefix(l.App, byGate) && l.Cause == "status 503" {
		return true // the app has ended before the gate
	}
	if l.Cause == Closed && l.Kept && o.reset[l.App] < 4 {
		// Its last answer had begun when the app did not end yet, and was read slowly: the
		// connection goes with it.
		o.reset[l.App]++
		return true
	}
	if o.kept {
		return false
	}
	if l.Cause == Reset && o.reset[l.App] < 4 {
		o.reset[l.App]++
		return true
	}
	return l.Cause == Refused
}

// report ends the load and holds every lost request against what was killed.
func (s *storm) report() {
	s.t.Helper()
	var sum Counts
	for _, l := range s.loads {
		c := l.Stop()
		sum.Sent += c.Sent
		sum.Good += c.Good
		sum.Lost = append(sum.Lost, c.Lost...)
	}
	excused := map[string]int{}
	for _, l := range sum.Lost {
		if why := s.excuse(l); why != "" {
			excused[why]++
		} else {
			s.t.Errorf("lost without an excuse: %v\n%s", l, s.around(l))
		}
	}
	var b strings.Builder
	count := 0
	b.WriteString("\n| disturbance | times |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(s.done)) {
		fmt.Fprintf(&b, "| %s | %d |\n", name, s.done[name])
		count += s.done[name]
	}
	for _, name := range slices.Sorted(maps.Keys(s.moot)) {
		fmt.Fprintf(&b, "| (%s, which met nothing | %d) |\n", name, s.moot[name])
	}
	fmt.Fprintf(&b, "| all | %d |\n\n| requests | |\n|---|---|\n| sent | %d |\n| answered well | %d |\n", count, sum.Sent, sum.Good)
	all := 0
	for _, why := range slices.Sorted(maps.Keys(excused)) {
		fmt.Fprintf(&b, "| lost: %s | %d |\n", why, excused[why])
		all += excused[why]
	}
	fmt.Fprintf(&b, "| lost otherwise | %d |\n", len(sum.Lost)-all)
	s.t.Log(b.String())
}

// excuse names what was killed with the request inside; empty: nothing was.
func (s *storm) excuse(l Lost) string {
	name := strings.TrimPrefix(l.App, byGate)
	for _, k := range s.kills {
		if k.app != name || k.left == 0 || k.at.After(l.Until) {
			continue
		}
		fits := false
		switch k.what {
		case killedWorker:
			// Cut is a big answer of which a part was read.
			fits = (l.Cause == "status 502" || l.Cause == Cut) && !k.gone.Before(l.Since)
		case stoppedWorker:
			// It takes its next request after it was stopped.
			fits = (l.Cause == "status 504" || l.Cause == "status 502" || l.Cause == Cut) && l.Since.Sub(k.at) < 2*requestTimeout
		case killedMaster:
			fits = !k.gone.Before(l.Since) && slices.Contains([]Cause{Reset, Closed, Cut}, l.Cause)
			// mongrel2 hands requests to a master that is gone until it has
			// noticed, and drops them.
			fits = fits || l.App == "m2" && l.Cause == TimedOut && !l.Until.Before(k.at) && l.Since.Sub(k.gone) < time.Second
		}
		if fits {
			k.left--
			return fmt.Sprintf("inside a %s (%s)", k.what, l.Cause)
		}
	}
	i := slices.IndexFunc(s.apps, func(a *stormApp) bool { return a.name == name })
	for _, o := range s.outages {
		if i >= 0 && o.excuses(l, s.apps[i]) {
			return fmt.Sprintf("%s (%s)", o.what, l.Cause)
		}
	}
	return ""
}
