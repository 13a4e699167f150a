package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// clusterChecker asks all the time who serves what, and reads what etcd holds. It knows
// what was done to whom, and what must not follow from it:
//
//   - an app leaves a host to which nothing was done only when another one serves it, as etcd
//     says: one that has died since is not missed before its lease ends;
//   - an endpoint is there only as long as its host is;
//   - while no host leaves, whatever else happens to etcd (members that die, a majority
//     that is lost, a prefix that is emptied), the same masters serve the same apps.
type clusterChecker struct {
	s      *clusterStorm
	client *etcd.Client // by no relay
	over   chan struct{}
	wg     sync.WaitGroup

	mu     sync.Mutex
	passes int
	views  int
	view   *etcd.View // the last one; nil: none yet
}

func (c *clusterChecker) begin() {
	for _, app := range c.s.apps {
		c.wg.Go(func() { c.follow(app.Name) })
	}
	c.wg.Go(c.endpoints)
}

func (c *clusterChecker) end() {
	close(c.over)
	c.wg.Wait()
}

func (c *clusterChecker) ended(d time.Duration) bool {
	select {
	case <-c.over:
		return true
	case <-time.After(d):
		return false
	}
}

// served is who answers for an app now, with the master of it.
func (s *clusterStorm) served(app string) map[*stormHost]string {
	out := map[*stormHost]string{}
	for _, h := range s.hosts {
		if _, still := h.now(); still {
			continue
		}
		if who := h.ask(app); who != "" {
			out[h] = who
		}
	}
	return out
}

// follow watches over one app.
func (c *clusterChecker) follow(app string) {
	last := map[*stormHost]int{} // who served it, and how often something was done to them then
	seen := map[*stormHost]int{} // the same, of all who ever did
	missed, since := 0, time.Now()
	for !c.ended(30 * time.Millisecond) {
		epochs := map[*stormHost]int{}
		for _, h := range c.s.hosts {
			epochs[h], _ = h.now()
		}
		by := c.s.served(app)
		c.mu.Lock()
		c.passes++
		c.mu.Unlock()
		if len(by) > 0 {
			last, missed, since = map[*stormHost]int{}, 0, time.Now()
			for h := range by {
				seen[h] = epochs[h]
				if h.healthy() {
					last[h] = epochs[h]
				}
			}
			continue
		}
		var unharmed []string
		for h, epoch := range last {
			if now, _ := h.now(); now == epoch {
				unharmed = append(unharmed, h.id)
			}
		}
		// Hosts are asked one after another: an app may move behind the one who asks.
		if missed++; missed == 3 && len(unharmed) > 0 && !c.handedToTheDead(app, seen) {
			slices.Sort(unharmed)
			c.s.t.Errorf("%s: %s was served by %s, to which nothing was done, and for %v by nobody", c.s.fault(), app, strings.Join(unharmed, ", "), time.Since(since))
		}
	}
}

// handedToTheDead tells whether etcd names a host as serving an app to which something was done
// since it was seen to.
func (c *clusterChecker) handedToTheDead(app string, seen map[*stormHost]int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for h, epoch := range seen {
		now, still := h.now()
		if c.view != nil && c.view.Ready(app, h.id) && (still || now != epoch) {
			return true
		}
	}
	return false
}

// endpoints reads what etcd holds, at one revision each time.
func (c *clusterChecker) endpoints() {
	for !c.ended(100 * time.Millisecond) {
		v, err := c.client.View(c.s.t.Context())
		if err != nil {
			continue
		}
		c.mu.Lock()
		c.views++
		c.view = v
		c.mu.Unlock()
		for app, on := range v.Endpoints {
			for id := range on {
				if _, there := v.Hosts[id]; !there {
					c.s.t.Errorf("%s: etcd tells of %s on %s at revision %d, and that host is not there", c.s.fault(), app, id, v.Revision)
				}
			}
		}
	}
}

// masters are who serves each app now, for a comparison.
func (s *clusterStorm) masters() map[string]string {
	out := map[string]string{}
	for _, a := range s.apps {
		for h, who := range s.served(a.Name) {
			out[a.Name+" on "+h.id] = who
		}
	}
	return out
}

// untouched tells of masters that are not the same as before. A worker may be about to
// answer again.
func (s *clusterStorm) untouched(before map[string]string) {
	s.t.Helper()
	var now map[string]string
	if !await.Until(30*time.Second, 50*time.Millisecond, func() bool { now = s.masters(); return maps.Equal(before, now) }) {
		s.t.Errorf("%s: the masters were %v and are %v", s.fault(), before, now)
	}
}

// stayed tells whether all hosts were there from a revision until now, as etcd remembers:
// on a machine that is slow enough a lease ends, and apps move as they should. What
// somebody deletes together with the generation says nothing of hosts.
func (s *clusterStorm) stayed(since int64) bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	const marker = "/wsgid/storm/zz"
	events := s.raw.Watch(ctx, "/wsgid/storm/", clientv3.WithPrefix(), clientv3.WithRev(since+1))
	if _, err := s.raw.Put(ctx, marker, ""); err != nil {
		return false
	}
	left, emptied := map[int64]bool{}, map[int64]bool{}
	for r := range events {
		if r.Err() != nil { // it has forgotten
			return false
		}
		for _, ev := range r.Events {
			key := string(ev.Kv.Key)
			switch {
			case key == marker && ev.Type == clientv3.EventTypePut:
				maps.DeleteFunc(left, func(rev int64, _ bool) bool { return emptied[rev] })
				return len(left) == 0
			case ev.Type != clientv3.EventTypeDelete:
			case key == "/wsgid/storm/meta/generation":
				emptied[ev.Kv.ModRevision] = true
			case strings.HasPrefix(key, "/wsgid/storm/hosts/"):
				left[ev.Kv.ModRevision] = true
			}
		}
	}
	return false
}

func (c *clusterChecker) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d looks at an app, %d at etcd", c.passes, c.views)
}
