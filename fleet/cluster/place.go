package cluster

import (
	"cmp"
	"hash/fnv"
	"slices"
)

// Backend asks for a number of hosts of a region.
type Backend struct {
	Region string `json:"region"` // empty: any
	Count  int    `json:"count"`
}

// App is what placement must know of an app.
type App struct {
	Name     string
	Backends []Backend // none: every host runs it
	// Broken: nobody can tell what it asks for. It stays where it is.
	Broken bool
	// Former is the app that this one was under another name, as far as this host knows;
	// empty: none. It says nothing of where the app is placed: it stays where that one ran
	// until it is served there.
	Former string
}

// Host is a machine of the fleet, as it says of itself.
type Host struct {
	ID      string `json:"id"`
	Region  string `json:"region,omitempty"`
	Address string `json:"address,omitempty"` // by which its apps are reached
	Version string `json:"version,omitempty"`
	// Machine tells this boot of this machine from another one that calls itself the same.
	Machine string `json:"machine"`
	// Cordoned: it gets no apps, and those that it has go to others.
	Cordoned bool `json:"cordoned,omitempty"`
}

// bound is how many more apps than the mean a host may get, as a fraction. Tighter
// bounds move more apps when a host dies: with 1,000 apps of two hosts each on 50 hosts
// 1.25 moves 7 % more than the least possible, 1.00 twice as many.
const (
	boundNum = 5
	boundDen = 4
)

// Place chooses the hosts of each app: by the highest hash of app and host, passed over
// where a host has its share already. It is pure: the order of its arguments says
// nothing, and everybody who knows the same computes the same. An app whose region has
// fewer hosts than it asks for gets all of them.
func Place(apps []App, hosts []Host) map[string][]string {
	hosts = slices.DeleteFunc(slices.Clone(hosts), func(h Host) bool { return h.Cordoned })
	slices.SortFunc(hosts, func(a, b Host) int { return cmp.Compare(a.ID, b.ID) })
	p := placing{hosts: hosts, regions: map[string][]int{}, limit: map[string]int{}, load: make([]int, len(hosts)), seeds: make([]uint64, len(hosts))}
	for i, h := range hosts {
		p.seeds[i] = hash(h.ID)
		p.regions[""] = append(p.regions[""], i)
		if h.Region != "" {
			p.regions[h.Region] = append(p.regions[h.Region], i)
		}
	}
	turn := make([]placed, 0, len(apps))
	for _, a := range apps {
		if a.Broken {
			continue
		}
		turn = append(turn, placed{App: a, seed: hash(a.Name)})
		for _, b := range a.Backends {
			p.limit[b.Region] += min(b.Count, len(p.regions[b.Region]))
		}
	}
	for region, all := range p.limit {
		if n := len(p.regions[region]); n > 0 {
			p.limit[region] = (all*boundNum + n*boundDen - 1) / (n * boundDen)
		}
	}
	// By hash, so that an app that comes or goes disturbs those behind it at random.
	slices.SortFunc(turn, func(a, b placed) int { return cmp.Or(cmp.Compare(a.seed, b.seed), cmp.Compare(a.Name, b.Name)) })
	out := make(map[string][]string, len(apps))
	for _, a := range turn {
		out[a.Name] = p.place(a)
	}
	return out
}

type placed struct {
	App
	seed uint64
}

type placing struct {
	hosts   []Host
	seeds   []uint64         // by host
	regions map[string][]int // hosts of a region; "": all
	limit   map[string]int   // of apps on one host, by region
	load    []int            // by host
	open    []ranked         // candidates of one app, by host
}

type ranked struct {
	host  int
	score uint64
}

func (p *placing) place(a placed) []string {
	var chosen []int
	if len(a.Backends) == 0 {
		chosen = p.regions[""]
	}
	for _, b := range a.Backends {
		p.open = p.open[:0]
		for _, h := range p.regions[b.Region] {
			if !slices.Contains(chosen, h) {
				p.open = append(p.open, ranked{h, mix(a.seed, p.seeds[h])})
			}
		}
		// First those that have room; then, where these are too few, any.
		left := b.Count
		for _, crowded := range [...]bool{false, true} {
			for ; left > 0; left-- {
				i := p.highest(p.limit[b.Region], crowded)
				if i < 0 {
					break
				}
				chosen = append(chosen, p.open[i].host)
				p.load[p.open[i].host]++
				p.open = slices.Delete(p.open, i, i+1)
			}
		}
	}
	ids := make([]string, len(chosen))
	for i, h := range chosen {
		ids[i] = p.hosts[h].ID
	}
	slices.Sort(ids)
	return ids
}

// highest is the place in open of the host with the highest score among those that have
// room, or among all; -1: none. An app asks for a few of many hosts: to sort them all
// takes four times as long.
func (p *placing) highest(limit int, crowded bool) int {
	best := -1
	for i, r := range p.open {
		if (crowded || p.load[r.host] < limit) && (best < 0 || r.score > p.open[best].score) {
			best = i
		}
	}
	return best
}

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// mix makes one number of two, each bit of which depends on all bits of both.
func mix(a, b uint64) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211 // hash/fnv costs twice as much here
	x := uint64(offset)
	for _, n := range [...]uint64{a, b} {
		for i := range 8 {
			x ^= n >> (8 * i) & 0xff
			x *= prime
		}
	}
	// FNV leaves its last bytes in the low bits alone: the finish of MurmurHash3.
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// Moves says what differs between two placements: the apps that a host gets, by app.
func Moves(before, after map[string][]string) map[string][]string {
	out := map[string][]string{}
	for app, hosts := range after {
		for _, h := range hosts {
			if !slices.Contains(before[app], h) {
				out[app] = append(out[app], h)
			}
		}
	}
	return out
}
