package cluster

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func ids(hosts []Host) (out []string) {
	for _, h := range hosts {
		out = append(out, h.ID)
	}
	return out
}

func hostsNamed(names string) (out []Host) {
	for n := range strings.FieldsSeq(names) {
		out = append(out, Host{ID: n, Region: "eu1"})
	}
	return out
}

// step is a second of the test's clock and what is there then.
type step struct {
	at     int
	there  string
	thaw   int64
	counts string // those that count after it
	frozen bool
}

func walk(t *testing.T, m *Members, steps ...step) {
	t.Helper()
	began := time.Now()
	for _, s := range steps {
		m.Observe(began.Add(time.Duration(s.at)*time.Second), hostsNamed(s.there), s.thaw)
		if got := ids(m.Counting()); !slices.Equal(got, strings.Fields(s.counts)) || (m.Frozen() != "") != s.frozen {
			t.Fatalf("after %d s with %q: %v count, frozen %q; want %q, %v", s.at, s.there, got, m.Frozen(), s.counts, s.frozen)
		}
	}
}

func TestANewHostCountsWhenItHasStayed(t *testing.T) {
	t.Parallel()
	walk(t, &Members{},
		step{at: 0, there: "", counts: ""},
		step{at: 1, there: "a b", counts: "a b"},
		step{at: 2, there: "a b c", counts: "a b"},
		step{at: 9, there: "a b", counts: "a b"}, // it was gone in between
		step{at: 10, there: "a b c", counts: "a b"},
		step{at: 19, there: "a b c", counts: "a b"},
		step{at: 20, there: "a b c", counts: "a b c"},
	)
}

func TestAHostThatVanishedIsWaitedFor(t *testing.T) {
	t.Parallel()
	walk(t, &Members{},
		step{at: 0, there: "a b c", counts: "a b c"},
		step{at: 1, there: "a b", counts: "a b c"},
		step{at: 2, there: "a b c", counts: "a b c"}, // a flap moves nothing
		step{at: 3, there: "a b", counts: "a b c"},
		step{at: 4, there: "a b", counts: "a b c"},
		step{at: 5, there: "a b", counts: "a b"},
	)
}

// TestPlacementFreezesWhenMoreThanHalfOfARegionVanishes, at once or one after another.
func TestPlacementFreezesWhenMoreThanHalfOfARegionVanishes(t *testing.T) {
	t.Parallel()
	walk(t, &Members{},
		step{at: 0, there: "a b c d e", counts: "a b c d e"},
		step{at: 1, there: "a b", counts: "a b c d e", frozen: true},
		step{at: 900, there: "a b", counts: "a b c d e", frozen: true},
		step{at: 901, there: "", counts: "a b c d e", frozen: true},
		step{at: 902, there: "a b c", counts: "a b c d e"}, // enough are back: the others go
		step{at: 907, there: "a b c", counts: "a b c"},
	)
	walk(t, &Members{},
		step{at: 0, there: "a b c d", counts: "a b c d"},
		step{at: 1, there: "a b c", counts: "a b c d"},
		step{at: 6, there: "a b c", counts: "a b c"},
		step{at: 7, there: "a b", counts: "a b c"},
		step{at: 12, there: "a b", counts: "a b"},
		step{at: 20, there: "a", counts: "a b", frozen: true},
		step{at: 99, there: "a", counts: "a b", frozen: true},
	)
	walk(t, &Members{}, // of two one may go
		step{at: 0, there: "a b", counts: "a b"},
		step{at: 1, there: "a", counts: "a b"},
		step{at: 6, there: "a", counts: "a"},
	)
}

func TestThawLetsGoOfThoseWhoAreNotThere(t *testing.T) {
	t.Parallel()
	walk(t, &Members{},
		step{at: 0, there: "a b c", thaw: 7, counts: "a b c"},
		step{at: 1, there: "a", thaw: 7, counts: "a b c", frozen: true},
		step{at: 60, there: "a", thaw: 8, counts: "a"},
		step{at: 61, there: "a", thaw: 8, counts: "a"},
	)
}

// TestAHostThatBootsFirstDoesNotTakeAll: after a power cut the first one back knows of
// the others from its disk.
func TestAHostThatBootsFirstDoesNotTakeAll(t *testing.T) {
	t.Parallel()
	m := &Members{}
	m.Recall(hostsNamed("a b c"))
	walk(t, m,
		step{at: 0, there: "a", thaw: 3, counts: "a b c", frozen: true},
		step{at: 50, there: "a", thaw: 3, counts: "a b c", frozen: true},
		step{at: 70, there: "a b", thaw: 3, counts: "a b c"},
		step{at: 72, there: "a b c", thaw: 3, counts: "a b c"},
	)
}

// TestWhoWasNotWatchedIsWaitedForAnew: etcd was away for long, and who vanished just
// before may be back in a moment.
func TestWhoWasNotWatchedIsWaitedForAnew(t *testing.T) {
	t.Parallel()
	m, now := &Members{}, time.Now()
	m.Observe(now, hostsNamed("a b c"), 0)
	m.Observe(now.Add(time.Second), hostsNamed("a b"), 0)
	later := now.Add(10 * time.Minute)
	m.Resume(later)
	m.Observe(later, hostsNamed("a b"), 0)
	if got := ids(m.Counting()); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Fatalf("%v count", got)
	}
	m.Observe(later.Add(2*time.Second), hostsNamed("a b"), 0)
	if got := ids(m.Counting()); !slices.Equal(got, []string{"a", "b"}) {
		t.Fatalf("then %v count", got)
	}
}

func TestDueTellsWhenTimeAloneDecides(t *testing.T) {
	t.Parallel()
	m, now := &Members{}, time.Now()
	m.Observe(now, hostsNamed("a b c"), 0)
	if due := m.Due(); !due.IsZero() {
		t.Errorf("nothing is pending, and due is %v", due.Sub(now))
	}
	m.Observe(now, hostsNamed("a b d"), 0)
	if due := m.Due(); !due.Equal(now.Add(1500 * time.Millisecond)) {
		t.Errorf("due is in %v", due.Sub(now))
	}
}
