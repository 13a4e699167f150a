package console

import (
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// What an app runs at times is on its page, as status tells it.
func TestSchedulesOnTheAppPage(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	now := time.Now()
	h.fleet.status.Apps = append(h.fleet.status.Apps, fleet.AppStatus{Name: "jobs", State: "ready", Schedules: []control.ScheduleInfo{
		{Name: "nightly", Next: now.Add(50*time.Hour + time.Minute), Runs: 12, Last: &control.ScheduleRun{Began: now.Add(-3 * time.Hour), Ended: now.Add(-3*time.Hour + 1500*time.Millisecond)}},
		{Name: "report", Waits: "an apply", Runs: 7, Failed: 3, Missed: 5, Skipped: 9, Last: &control.ScheduleRun{Began: now.Add(-time.Minute), Ended: now.Add(-time.Minute), Failed: true, Result: "exit status 4"}},
		{Name: "sync", PID: 4711, Since: now.Add(-2 * time.Minute)},
	}})
	cookie := h.login(false)
	body := h.send("GET", "/app/jobs", nil, "Cookie", cookie).body
	_, part, _ := strings.Cut(body, `data-part="schedules"`)
	part, _, _ = strings.Cut(part, "</section>")
	rows := strings.Split(part, "<tbody>")
	if len(rows) != 4 {
		t.Fatalf("%d rows in %s", len(rows)-1, body)
	}
	for i, wants := range [][]string{
		{"nightly", ">in 2d2h</time>", ">12</td>", "ago, in 1.5s"},
		{"report", "waits: an apply", ">7</td>", `class="n bad" data-l="Failed">3<`, ">5</td>", ">9</td>", "ago: exit status 4"},
		{"sync", ", pid 4711"},
	} {
		for _, want := range wants {
			if !strings.Contains(rows[i+1], want) {
				t.Errorf("row %d has no %q: %s", i, want, rows[i+1])
			}
		}
	}
	if body := h.send("GET", "/app/blog", nil, "Cookie", cookie).body; strings.Contains(body, `data-part="schedules"`) || !strings.Contains(body, "What it is") {
		t.Errorf("an app without any has a table of them: %s", body)
	}
}
