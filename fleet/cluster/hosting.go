package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Endpoint is an app on one host, as that host says.
type Endpoint struct {
	Ready bool `json:"ready"`
	// Addresses are where it is reached from other machines, host:port.
	Addresses []string `json:"addresses,omitempty"`
}

// Hosting decides which apps this host runs. It is pure but for what it remembers of
// those that are to leave.
type Hosting struct {
	ID string // of this host
	// Patience is how long an app that another host is to run is kept for that to
	// serve it, and then as long as nobody else does; 0: one minute.
	Patience time.Duration

	kept *Decision // nil: none was
	last placement
}

// placement is what Place has said last: whatever a watch tells asks for it again, and as
// a rule of the same apps and hosts.
type placement struct {
	apps   []App
	hosts  []Host
	placed map[string][]string // nil: nothing yet; not to be changed
	number int                 // of this placement
}

func (p *placement) of(apps []App, hosts []Host) map[string][]string {
	if !p.isOf(apps, hosts) {
		*p = placement{slices.Clone(apps), slices.Clone(hosts), Place(apps, hosts), p.number + 1}
	}
	return p.placed
}

func (p *placement) isOf(apps []App, hosts []Host) bool {
	same := func(a, b App) bool {
		return a.Name == b.Name && a.Broken == b.Broken && a.Former == b.Former && slices.Equal(a.Backends, b.Backends)
	}
	return p.placed != nil && slices.Equal(p.hosts, hosts) && slices.EqualFunc(p.apps, apps, same)
}

// Recall begins with the apps that an earlier process has run.
func (h *Hosting) Recall(apps []string) {
	h.kept = &Decision{here: map[string]bool{}}
	for _, a := range apps {
		h.kept.here[a] = true
	}
}

// Here tells which apps an earlier decision has given to this host.
func (h *Hosting) Here() []string {
	var out []string
	for a := range h.before().here {
		out = append(out, a)
	}
	slices.Sort(out)
	return out
}

// Decide says for each app that is not to run here where it runs. ready tells whether a
// host serves an app. What follows from a decision is remembered by Keep alone.
func (h *Hosting) Decide(now time.Time, apps []App, members []Host, ready func(app, host string) bool) *Decision {
	if h.settled(apps, members) {
		return h.kept
	}
	d := &Decision{Elsewhere: map[string]string{}, Placed: h.last.of(apps, members), here: map[string]bool{}, leaving: map[string]time.Time{}}
	d.placement = h.last.number
	before := h.before()
	patience := cmp.Or(h.Patience, time.Minute)
	for _, a := range apps {
		hosts := d.Placed[a.Name]
		if slices.Contains(hosts, h.ID) {
			d.here[a.Name] = true
			continue
		}
		if a.Broken {
			if before.here[a.Name] {
				d.here[a.Name] = true
			} else {
				d.Elsewhere[a.Name] = "it is not known which hosts it asks for"
			}
			continue
		}
		if !before.here[a.Name] && (a.Former == "" || !before.here[a.Former]) {
			d.Elsewhere[a.Name] = where(hosts)
			continue
		}
		since, known := before.leaving[a.Name]
		if !known {
			since = now
		}
		serving := 0
		for _, o := range hosts {
			if ready(a.Name, o) {
				serving++
			}
		}
		if len(hosts) > 0 && (serving == len(hosts) || serving > 0 && now.Sub(since) >= patience) {
			d.Elsewhere[a.Name] = where(hosts)
			continue
		}
		d.here[a.Name], d.leaving[a.Name] = true, since
		if due := since.Add(patience); now.Before(due) && (d.Due.IsZero() || due.Before(d.Due)) {
			d.Due = due
		}
	}
	return d
}

// Keep makes a decision the one that the next builds upon.
func (h *Hosting) Keep(d *Decision) { h.kept = d }

// before is the decision that was kept; where none was, nothing is here.
func (h *Hosting) before() *Decision { return cmp.Or(h.kept, &Decision{}) }

// settled tells whether the decision that was kept is the one of these: nothing is to
// leave, so that it is nothing to this host who serves what. What a watch tells of
// other hosts ends here as a rule.
func (h *Hosting) settled(apps []App, members []Host) bool {
	return h.kept != nil && len(h.kept.leaving) == 0 && h.last.isOf(apps, members) && h.kept.placement == h.last.number
}

// Decision is what a host runs and what it does not. It is not to be changed.
type Decision struct {
	Elsewhere map[string]string   // by app: where it runs instead, a sentence
	Placed    map[string][]string // by app: the hosts that are to run it
	Due       time.Time           // when time alone may change it; zero: never

	here      map[string]bool
	leaving   map[string]time.Time
	placement int // the number of the one that it follows from; 0: it was recalled
}

// Same tells whether another decision has this host run the same apps.
func (d *Decision) Same(o *Decision) bool {
	if o == nil || len(d.here) != len(o.here) {
		return false
	}
	for a := range d.here {
		if !o.here[a] {
			return false
		}
	}
	return true
}

func where(hosts []string) string {
	if len(hosts) == 0 {
		return "no host of its region is available"
	}
	return fmt.Sprintf("it runs on %s", strings.Join(hosts, ", "))
}
