package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// underway knows the deploys that go on in a daemon. An upgrade waits for them: what
// replaces the program would end them in the middle.
type underway struct {
	mu    sync.Mutex
	apps  map[string]int
	after func() // to be called when the last has ended; not nil: no other begins
}

// begin notes a deploy of an app; the caller calls end when its asker has the result.
func (u *underway) begin(o DeployOrder) (end func(), err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.after != nil {
		return nil, &againError{text: fmt.Sprintf("cannot %s %s: the daemon is about to re-execute itself, and waits for the deploy of %s; try again when that has finished", o.Verb(), o.App, u.names())}
	}
	if u.apps == nil {
		u.apps = map[string]int{}
	}
	u.apps[o.App]++
	return func() { u.end(o.App) }, nil
}

func (u *underway) end(app string) {
	u.mu.Lock()
	if u.apps[app]--; u.apps[app] <= 0 {
		delete(u.apps, app)
	}
	var after func()
	if len(u.apps) == 0 {
		after, u.after = u.after, nil
	}
	u.mu.Unlock()
	if after != nil {
		after()
	}
}

// whenOver has f called once no deploy is under way any more, and says which are now;
// empty: none, and f is not called.
func (u *underway) whenOver(f func()) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.apps) > 0 {
		u.after = f
	}
	return u.names()
}

// over waits until none is under way, for a while.
func (u *underway) over(limit time.Duration) {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		u.mu.Lock()
		n := len(u.apps)
		u.mu.Unlock()
		if n == 0 {
			return
		}
	}
}

func (u *underway) names() string {
	return strings.Join(slices.Sorted(maps.Keys(u.apps)), ", ")
}
