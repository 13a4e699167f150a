package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// chronicle is what was true of the names of TestGateTempest, and what was killed, and when:
// what an answer, or the want of one, is held against.
type chronicle struct {
	mu    sync.Mutex // guards all
	names map[string][]tenure
	kills []gateKill
	notes diary
}

// tenure is a time in which an app had a name; "" is nobody.
type tenure struct {
	app      string
	from, to time.Time // to is zero: it still has it
}

// gateKill is a process that was killed, of an app or of the gate.
type gateKill struct {
	app      string
	at, gone time.Time
}

func (c *chronicle) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notes.note(format, args...)
}

// moving notes that a name is about to be another app's, or nobody's: until moved is told
// it may be either's, or nobody's between the two.
func (c *chronicle) moving(host, app string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for _, to := range []string{"", app} {
		if !slices.ContainsFunc(c.names[host], func(t tenure) bool { return t.app == to && t.to.IsZero() }) {
			c.names[host] = append(c.names[host], tenure{app: to, from: now})
		}
	}
}

func (c *chronicle) moved(host, app string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.names[host] {
		if t.to.IsZero() && t.app != app {
			c.names[host][i].to = time.Now()
		}
	}
}

// owners are the apps that had a name at some moment from then to now, by itself or as the
// app of all names that nobody has; "" is among them where a client may be told that nobody has.
func (c *chronicle) owners(host string, since time.Time) (apps []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add := func(host string) (nobodys bool) {
		for _, t := range c.names[host] {
			if !t.to.IsZero() && t.to.Before(since) {
				continue
			}
			if t.app == "" && host != nobodysName {
				nobodys = true
			} else if !slices.Contains(apps, t.app) {
				apps = append(apps, t.app)
			}
		}
		return nobodys
	}
	if _, known := c.names[host]; !known || add(host) {
		add(nobodysName)
	}
	return apps
}

// killed notes a kill while it is done.
func (c *chronicle) killed(app string, kill func()) {
	c.mu.Lock()
	c.kills = append(c.kills, gateKill{app: app, at: time.Now()})
	i := len(c.kills) - 1
	c.notes.note("kill of %s", app)
	c.mu.Unlock()
	kill()
	c.mu.Lock()
	c.kills[i].gone = time.Now()
	c.notes.note("%s is gone", app)
	c.mu.Unlock()
}

// struck tells whether one of some was killed at some moment from then to now.
func (c *chronicle) struck(apps []string, since time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.kills, func(k gateKill) bool {
		return slices.Contains(apps, k.app) && (k.gone.IsZero() || !k.gone.Before(since))
	})
}

// around is what happened about a time.
func (c *chronicle) around(from, to time.Time) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, e := range c.notes {
		if e.at.After(from.Add(-aroundTime)) && e.at.Before(to.Add(aroundTime)) {
			fmt.Fprintf(&b, "  %s %s\n", e.at.Format(clock), e.text)
		}
	}
	return b.String()
}
