package console

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Where the requests are is asked for, told, and said why it is not.
func TestStacksPage(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cookie := h.login(true)
	if a := h.send("GET", "/app/blog/stacks", nil, "Cookie", cookie); a.code != 200 || !strings.Contains(a.body, "No request is at work now.") {
		t.Errorf("at rest: %d %s", a.code, a.body)
	}
	h.fleet.mu.Lock()
	h.fleet.stacks = map[string][]runner.ThreadStack{"blog": {
		{PID: 5, Thread: 2, Request: "GET /later", Since: time.Now(), Problem: "its thread blocks SIGURG"},
		{PID: 5, Thread: 1, Request: "GET /first", Since: time.Now().Add(-time.Minute), Stack: []string{`File "/srv/app.py", line 3 in view`}}}}
	h.fleet.mu.Unlock()
	body := h.send("GET", "/app/blog/stacks", nil, "Cookie", cookie).body
	if i, j := strings.Index(body, "GET /first"), strings.Index(body, "GET /later"); i < 0 || j < i || !strings.Contains(body, "line 3 in view") ||
		!strings.Contains(body, "There is no stack: its thread blocks SIGURG.") {
		t.Errorf("stacks: %s", body)
	}
	h.fleet.mu.Lock()
	h.fleet.stacksErr = fmt.Errorf("cannot get stacks of master 10 of blog: it is of a release from before that")
	h.fleet.mu.Unlock()
	if a := h.send("GET", "/app/blog/stacks", nil, "Cookie", cookie); a.code != 409 || !strings.Contains(a.body, "of a release from before that") {
		t.Errorf("an old master: %d %s", a.code, a.body)
	}
}
