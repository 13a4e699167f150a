package console

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// A sparkline tells of the looks that there were, and only for apps that are asked.
func TestSparklines(t *testing.T) {
	t.Parallel()
	s, now := sparks{}, time.Now()
	look := func(after time.Duration, rate float64) string {
		now = now.Add(after)
		s.next(now)
		if line := s.add("quiet", 0); line != "" {
			t.Errorf("an app without requests has the line %s", line)
		}
		return s.add("blog", rate)
	}
	if line := look(0, 4); line != "" {
		t.Errorf("one look makes the line %s", line)
	}
	if line := look(time.Second, 2); line != "M58 1L59 8" {
		t.Errorf("two looks make %s", line)
	}
	for range 100 {
		look(time.Second, 1)
	}
	if line := look(time.Second, 2); !strings.HasPrefix(line, "M0 8L1 8L2 8") || !strings.HasSuffix(line, " 8L59 1") {
		t.Errorf("many looks make %s", line)
	}
	if line := look(time.Minute, 3); line != "" {
		t.Errorf("after a time in which nobody looked it is %s", line)
	}
	for range sparkPoints {
		look(time.Second, 0)
	}
	if len(s.apps) != 0 {
		t.Errorf("%d apps without requests are kept", len(s.apps))
	}
	look(time.Second, 3)
	s.keep(func(string) bool { return false })
	if len(s.apps) != 0 {
		t.Error("an app that is no more is kept")
	}
}

// The page of an app has what runs beside its workers.
func TestProcessesOnTheAppPage(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.fleet.mu.Lock()
	h.fleet.status.Apps = append(h.fleet.status.Apps, fleet.AppStatus{Name: "jobs", State: "ready", Processes: []control.ProcessInfo{
		{Name: "queue", Number: 2, Count: 3, PID: 4711, State: control.ProcessRunning, Since: time.Now().Add(-time.Hour), RSS: 23 << 20},
		{Name: "bot", Number: 1, Count: 1, State: control.ProcessBackoff, Restarts: 7, LastError: "it ended with code 1"},
	}})
	h.fleet.mu.Unlock()
	cookie := h.login(true)
	body := h.send("GET", "/app/jobs", nil, "Cookie", cookie).body
	for _, p := range h.fleet.status.Apps[2].Processes {
		if !strings.Contains(body, fmt.Sprintf(`<th scope="row">%s</th>`, p.Title())) {
			t.Errorf("process %s is not there: %s", p.Title(), body)
		}
	}
	for _, word := range []string{"4711", "23MiB", "1h00m", ">running<", ">backoff<", ">7<", "it ended with code 1"} {
		if !strings.Contains(body, word) {
			t.Errorf("%q is not there: %s", word, body)
		}
	}
	if body := h.send("GET", "/app/blog", nil, "Cookie", cookie).body; strings.Contains(body, "beside the workers") {
		t.Error("an app without processes has a table of them")
	}
}
