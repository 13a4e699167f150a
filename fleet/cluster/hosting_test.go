package cluster

import (
	"fmt"
	"maps"
	"math/rand/v2"
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

// TestADecisionThatHoldsIsTheOneThatWouldBeMade: where nothing is to leave a host the last
// decision is given again, whoever serves what. It is the one that is made anew, over all
// that can happen to apps and hosts.
func TestADecisionThatHoldsIsTheOneThatWouldBeMade(t *testing.T) {
	t.Parallel()
	again := 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 7))
		now := time.Now()
		h := &Hosting{ID: "h0", Patience: time.Minute}
		serving := map[string]bool{}
		ready := func(app, host string) bool { return serving[app+" "+host] }
		var apps []App
		for i := range 12 {
			apps = append(apps, App{Name: fmt.Sprintf("a%d", i), Backends: []Backend{{Count: 1 + r.IntN(2)}}})
		}
		hosts := hostsNamed("h0 h1 h2 h3 h4")
		for step := range 200 {
			now = now.Add(time.Duration(r.IntN(20)) * time.Second)
			switch r.IntN(6) {
			case 0:
				hosts = slices.Clone(hosts)
				i := r.IntN(len(hosts))
				hosts[i].Cordoned = !hosts[i].Cordoned
			case 1:
				apps = slices.Clone(apps)
				i := r.IntN(len(apps))
				apps[i].Broken = !apps[i].Broken
			default:
				at := fmt.Sprintf("a%d h%d", r.IntN(12), r.IntN(5))
				serving[at] = !serving[at]
			}
			fresh := *h
			fresh.last = placement{} // of nothing, so that it decides anew
			want, got := fresh.Decide(now, apps, hosts, ready), h.Decide(now, apps, hosts, ready)
			if got == h.kept {
				again++
			}
			if !maps.Equal(got.Elsewhere, want.Elsewhere) || !maps.Equal(got.here, want.here) || !maps.Equal(got.leaving, want.leaving) || !got.Due.Equal(want.Due) {
				t.Fatalf("seed %d, step %d: %v and %v, anew %v and %v", seed, step, got.Elsewhere, got.leaving, want.Elsewhere, want.leaving)
			}
			if r.IntN(3) > 0 {
				h.Keep(got)
			}
		}
	}
	if again < 1000 {
		t.Errorf("only %d decisions were given again", again)
	}
}

// TestAnAppUnderAnotherNameStaysUntilItIsServedElsewhere, as where its name says.
func TestAnAppUnderAnotherNameStaysUntilItIsServedElsewhere(t *testing.T) {
	t.Parallel()
	h := &Hosting{ID: "a"}
	h.Recall([]string{"blog"})
	one := []Backend{{Region: "eu1", Count: 1}}
	hosts := append(hostsNamed("b"), Host{ID: "a", Region: "eu1", Cordoned: true})
	serving := false
	elsewhere := func(apps ...App) string {
		d := h.Decide(time.Now(), apps, hosts, func(app, host string) bool { return serving && app == "site" && host == "b" })
		h.Keep(d)
		return d.Elsewhere["site"]
	}
	if why := elsewhere(App{Name: "site", Backends: one, Former: "blog"}); why != "" {
		t.Fatalf("it was let go before anybody else served it: %s", why)
	}
	if why := elsewhere(App{Name: "site", Backends: one}); why != "" { // its logbook was taken over
		t.Fatalf("it was let go before anybody else served it: %s", why)
	}
	serving = true
	if why := elsewhere(App{Name: "site", Backends: one}); why != "it runs on b" {
		t.Errorf("it is still here: %q", why)
	}
	h.Recall([]string{"other"})
	if why := elsewhere(App{Name: "site", Backends: one, Former: "blog"}); why != "it runs on b" {
		t.Errorf("it is here, where nothing of it ever was: %q", why)
	}
}
