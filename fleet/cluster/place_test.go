package cluster

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func drawFleet(t *rapid.T) ([]App, []Host) {
	regions := []string{"eu1", "us1", ""}
	var hosts []Host
	for i := range rapid.IntRange(0, 12).Draw(t, "hosts") {
		hosts = append(hosts, Host{ID: fmt.Sprintf("h%d", i), Region: rapid.SampledFrom(regions).Draw(t, "region"),
			Cordoned: rapid.IntRange(0, 9).Draw(t, "cordoned") == 0})
	}
	var apps []App
	for i := range rapid.IntRange(0, 30).Draw(t, "apps") {
		a := App{Name: fmt.Sprintf("app%d", i)}
		for range rapid.IntRange(0, 2).Draw(t, "backends") {
			a.Backends = append(a.Backends, Backend{Region: rapid.SampledFrom(regions).Draw(t, "of"), Count: rapid.IntRange(1, 4).Draw(t, "count")})
		}
		apps = append(apps, a)
	}
	return apps, hosts
}

// TestPlacementIsTheSameOnEveryHost: the order in which apps and hosts are known says
// nothing.
func TestPlacementIsTheSameOnEveryHost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		apps, hosts := drawFleet(t)
		want := Place(apps, hosts)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		r.Shuffle(len(apps), func(i, j int) { apps[i], apps[j] = apps[j], apps[i] })
		r.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
		if got := Place(apps, hosts); !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\nand in another order %v", want, got)
		}
	})
}

// TestPlacementGivesEachAppItsHosts: as many as it asks for, of its region, none twice,
// none that is cordoned; all of them where there are fewer.
func TestPlacementGivesEachAppItsHosts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		apps, hosts := drawFleet(t)
		by := map[string]Host{}
		for _, h := range hosts {
			by[h.ID] = h
		}
		placed := Place(apps, hosts)
		for _, a := range apps {
			got := placed[a.Name]
			if len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Fatalf("app %s has a host twice: %v", a.Name, got)
			}
			for _, id := range got {
				h, known := by[id]
				ok := known && !h.Cordoned && (len(a.Backends) == 0 || slices.ContainsFunc(a.Backends, func(b Backend) bool { return b.Region == "" || b.Region == h.Region }))
				if !ok {
					t.Fatalf("app %s with %v is on %+v", a.Name, a.Backends, h)
				}
			}
			free := func(region string) (n int) {
				for _, h := range hosts {
					if !h.Cordoned && (region == "" || h.Region == region) {
						n++
					}
				}
				return n
			}
			switch len(a.Backends) {
			case 0:
				if len(got) != free("") {
					t.Fatalf("app %s is for every host, and has %v", a.Name, got)
				}
			case 1:
				if want := min(a.Backends[0].Count, free(a.Backends[0].Region)); len(got) != want {
					t.Fatalf("app %s with %v has %d hosts, not %d", a.Name, a.Backends, len(got), want)
				}
			}
		}
	})
}

func manyApps(n, count int) (apps []App) {
	for i := range n {
		apps = append(apps, App{Name: fmt.Sprintf("app-%d", i), Backends: []Backend{{Region: "eu1", Count: count}}})
	}
	return apps
}

func manyHosts(n int) (hosts []Host) {
	for i := range n {
		hosts = append(hosts, Host{ID: fmt.Sprintf("host-%d", i), Region: "eu1"})
	}
	return hosts
}

// TestPlacementKeepsLoadWithinItsBound: 1,000 apps of two hosts each on 50 hosts, 40 a
// host in the mean: none has more than 50.
func TestPlacementKeepsLoadWithinItsBound(t *testing.T) {
	t.Parallel()
	load := map[string]int{}
	for _, hosts := range Place(manyApps(1000, 2), manyHosts(50)) {
		for _, h := range hosts {
			load[h]++
		}
	}
	for h, n := range load {
		if n > 50 {
			t.Errorf("%s has %d apps", h, n)
		}
	}
}

// TestADyingHostMovesLittleMoreThanItsApps: at most 1.1 times the least possible over
// all hosts that may die.
func TestADyingHostMovesLittleMoreThanItsApps(t *testing.T) {
	t.Parallel()
	apps, hosts := manyApps(1000, 2), manyHosts(50)
	before := Place(apps, hosts)
	least, moved := 0, 0
	for i := range hosts {
		for _, on := range before {
			if slices.Contains(on, hosts[i].ID) {
				least++
			}
		}
		for _, to := range Moves(before, Place(apps, slices.Delete(slices.Clone(hosts), i, i+1))) {
			moved += len(to)
		}
	}
	t.Logf("moved %d, the least is %d: %.3f", moved, least, float64(moved)/float64(least))
	if float64(moved) > 1.1*float64(least) {
		t.Errorf("%d apps move where %d must", moved, least)
	}
}

func BenchmarkPlace(b *testing.B) {
	apps, hosts := manyApps(1000, 2), manyHosts(50)
	for b.Loop() {
		Place(apps, hosts)
	}
}
