package cluster

import (
	"slices"
	"testing"
	"time"
)

// TestAnAppLeavesWhenTheOtherServesIt, and not before, and not when nobody does.
func TestAnAppLeavesWhenTheOtherServesIt(t *testing.T) {
	t.Parallel()
	apps := []App{{Name: "blog", Backends: []Backend{{Region: "eu1", Count: 1}}}}
	serving := map[string]bool{}
	ready := func(_, host string) bool { return serving[host] }
	h := &Hosting{ID: "a"}
	now := time.Now()
	d := h.Decide(now, apps, hostsNamed("a"), ready)
	if len(d.Elsewhere) != 0 {
		t.Fatalf("the only host does not run it: %v", d.Elsewhere)
	}
	h.Keep(d)
	cordoned := append(hostsNamed("b"), Host{ID: "a", Region: "eu1", Cordoned: true})
	for _, after := range []time.Duration{0, time.Second, time.Hour} {
		d = h.Decide(now.Add(after), apps, cordoned, ready)
		if len(d.Elsewhere) != 0 {
			t.Fatalf("after %v it was let go before anybody else served it", after)
		}
		h.Keep(d)
	}
	serving["b"] = true
	d = h.Decide(now.Add(2*time.Second), apps, cordoned, ready)
	if d.Elsewhere["blog"] != "it runs on b" {
		t.Fatalf("it is still here: %v", d.Elsewhere)
	}
	h.Keep(d)
	if got := h.Here(); len(got) != 0 {
		t.Errorf("still here: %v", got)
	}
}

// TestAnAppWithoutAnotherPlaceStays: a cordon of the last host of a region.
func TestAnAppWithoutAnotherPlaceStays(t *testing.T) {
	t.Parallel()
	apps := []App{{Name: "blog", Backends: []Backend{{Region: "eu1", Count: 1}}}, {Name: "other", Backends: []Backend{{Region: "us1", Count: 1}}}}
	h := &Hosting{ID: "a"}
	h.Recall([]string{"blog"})
	d := h.Decide(time.Now(), apps, []Host{{ID: "a", Region: "eu1", Cordoned: true}}, func(string, string) bool { return true })
	if d.Elsewhere["blog"] != "" || d.Elsewhere["other"] != "no host of its region is available" {
		t.Errorf("elsewhere: %v", d.Elsewhere)
	}
}

// TestOneOfTwoNewHostsIsEnoughAfterAWhile: the other may never come up.
func TestOneOfTwoNewHostsIsEnoughAfterAWhile(t *testing.T) {
	t.Parallel()
	apps := []App{{Name: "blog", Backends: []Backend{{Region: "eu1", Count: 2}}}}
	members := append(hostsNamed("b c"), Host{ID: "a", Region: "eu1", Cordoned: true})
	h, now := &Hosting{ID: "a", Patience: time.Minute}, time.Now()
	h.Recall([]string{"blog"})
	ready := func(_, host string) bool { return host == "b" }
	d := h.Decide(now, apps, members, ready)
	if d.Elsewhere["blog"] != "" || !d.Due.Equal(now.Add(time.Minute)) {
		t.Fatalf("elsewhere %v, due in %v", d.Elsewhere, d.Due.Sub(now))
	}
	h.Keep(d)
	if d = h.Decide(now.Add(time.Minute), apps, members, ready); d.Elsewhere["blog"] == "" || !slices.Equal(d.Placed["blog"], []string{"b", "c"}) {
		t.Errorf("it is still here: %+v", d)
	}
}
