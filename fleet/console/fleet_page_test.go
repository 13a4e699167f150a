package console

import (
	"strings"
	"testing"
)

// By state, each state has a heading with how many apps there are.
func TestGroupsOfStates(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.fleet.status.Apps = append(h.fleet.status.Apps, h.fleet.status.Apps[0])
	h.fleet.status.Apps[2].Name = "wiki"
	cookie := h.login(true)
	body := h.send("GET", "/?sort=state", nil, "Cookie", cookie).body
	last := -1
	for _, want := range []string{`scope="rowgroup"`, `backoff</span> 1 app<`, `data-app="shop"`, `ready</span> 2 apps<`, `data-app="blog"`, `data-app="wiki"`} {
		at := strings.Index(body, want)
		if at <= last {
			t.Fatalf("%q is at %d, after %d: %s", want, at, last, body)
		}
		last = at
	}
	if strings.Count(body, `scope="rowgroup"`) != 2 || strings.Contains(h.send("GET", "/", nil, "Cookie", cookie).body, "rowgroup") {
		t.Error("there are other headings")
	}
}
