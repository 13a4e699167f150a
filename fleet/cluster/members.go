package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Members are the hosts that count for placement: those that are there, damped. All
// times are of one clock that never goes back, the observer's own.
type Members struct {
	Join   time.Duration // how long a new host must stay before it counts; 0: 10 s
	Grace  time.Duration // how long one that vanished is waited for; 0: 1.5 s
	Window time.Duration // within which vanished hosts are taken together; 0: 30 s

	begun   bool
	count   map[string]Host      // those that count
	arrived map[string]time.Time // there, and not counted yet
	left    map[string]time.Time // counted, and not there
	dropped []drop               // lately
	frozen  map[string]bool      // regions
	asked   bool                 // thaw is what an operator said last
	thaw    int64
}

type drop struct {
	region string
	at     time.Time // when it vanished
}

// leastFrozen is from how many hosts on a region may be frozen.
const leastFrozen = 3

func (m *Members) join() time.Duration   { return cmp.Or(m.Join, 10*time.Second) }
func (m *Members) grace() time.Duration  { return cmp.Or(m.Grace, 1500*time.Millisecond) }
func (m *Members) window() time.Duration { return cmp.Or(m.Window, 30*time.Second) }

// Recall begins with the hosts that an earlier process has counted: those of them that
// are not there are waited for as any other.
func (m *Members) Recall(hosts []Host) {
	if len(hosts) > 0 {
		m.begin(hosts)
	}
}

func (m *Members) begin(hosts []Host) {
	m.begun = true
	m.count, m.arrived, m.left, m.frozen = map[string]Host{}, map[string]time.Time{}, map[string]time.Time{}, map[string]bool{}
	for _, h := range hosts {
		m.count[h.ID] = h
	}
}

// Observe takes in which hosts are there now. thaw is a number that an operator
// raises: then frozen regions let go of who is not there. The very first hosts count at
// once: nothing runs yet that could be moved.
func (m *Members) Observe(now time.Time, there []Host, thaw int64) {
	if !m.begun {
		if len(there) == 0 {
			return
		}
		m.begin(there)
	}
	if !m.asked {
		m.asked, m.thaw = true, thaw // what was said before we began is not meant for us
	}
	is := map[string]bool{}
	for _, h := range there {
		is[h.ID] = true
		if _, counts := m.count[h.ID]; counts {
			m.count[h.ID] = h
			delete(m.left, h.ID)
			continue
		}
		at, known := m.arrived[h.ID]
		if !known {
			m.arrived[h.ID], at = now, now
		}
		if now.Sub(at) >= m.join() {
			delete(m.arrived, h.ID)
			m.count[h.ID] = h
		}
	}
	maps.DeleteFunc(m.arrived, func(id string, _ time.Time) bool { return !is[id] })
	for id := range m.count {
		if _, known := m.left[id]; !is[id] && !known {
			m.left[id] = now
		}
	}
	if thaw > m.thaw {
		m.thaw = thaw
		maps.DeleteFunc(m.count, func(id string, h Host) bool { return !is[id] && m.frozen[h.Region] })
		maps.DeleteFunc(m.left, func(id string, _ time.Time) bool { _, counts := m.count[id]; return !counts })
		m.dropped = nil
		clear(m.frozen)
	}
	m.freeze(now)
	for id, at := range m.left {
		if h := m.count[id]; now.Sub(at) >= m.grace() && !m.frozen[h.Region] {
			delete(m.count, id)
			delete(m.left, id)
			m.dropped = append(m.dropped, drop{h.Region, at})
		}
	}
}

// Resume begins anew to wait, for those who vanished and for those who came: nobody
// looked for a while.
func (m *Members) Resume(now time.Time) {
	for id := range m.arrived {
		m.arrived[id] = now
	}
	for id := range m.left {
		m.left[id] = now
	}
}

// freeze finds the regions of which more than half has vanished. One stays frozen until
// at least half of it is there.
func (m *Members) freeze(now time.Time) {
	m.dropped = slices.DeleteFunc(m.dropped, func(d drop) bool { return now.Sub(d.at) > m.window() && !m.frozen[d.region] })
	size, gone := map[string]int{}, map[string]int{}
	for id, h := range m.count {
		size[h.Region]++
		if _, left := m.left[id]; left {
			gone[h.Region]++
		}
	}
	for _, d := range m.dropped {
		size[d.region]++
		gone[d.region]++
	}
	for region, n := range size {
		is := 2*gone[region] > n && (n >= leastFrozen || m.frozen[region])
		if m.frozen[region] && !is {
			for id := range m.left { // the others may be about to come back too
				if m.count[id].Region == region {
					m.left[id] = now
				}
			}
		}
		m.frozen[region] = is
	}
	maps.DeleteFunc(m.frozen, func(_ string, is bool) bool { return !is })
}

// Counting are the hosts that count, sorted by their names.
func (m *Members) Counting() []Host {
	return slices.SortedFunc(maps.Values(m.count), func(a, b Host) int { return cmp.Compare(a.ID, b.ID) })
}

// Frozen says which regions are frozen, and for whom they wait; empty: none is.
func (m *Members) Frozen() string {
	var parts []string
	for _, region := range slices.Sorted(maps.Keys(m.frozen)) {
		var away []string
		for id := range m.left {
			if m.count[id].Region == region {
				away = append(away, id)
			}
		}
		slices.Sort(away)
		parts = append(parts, fmt.Sprintf("more than half of region %q vanished at once (%s)", region, strings.Join(away, ", ")))
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, "; ") + "; no app is moved until they are back or: wsgid-fleet thaw"
}

// Due is when Observe has something to decide though nothing happens; zero: never.
func (m *Members) Due() (due time.Time) {
	note := func(at time.Time) {
		if due.IsZero() || at.Before(due) {
			due = at
		}
	}
	for _, at := range m.arrived {
		note(at.Add(m.join()))
	}
	for id, at := range m.left {
		if !m.frozen[m.count[id].Region] {
			note(at.Add(m.grace()))
		}
	}
	return due
}
