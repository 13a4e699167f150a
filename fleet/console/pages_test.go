package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

const hostile = "\x1b[31mred\x1b[0m \x1b]0;title\x07<script>alert(1)</script> \"' <img src=x onerror=alert(2)> \u202e\u009b1m"

// What apps and files say stays text: nothing of it is markup, none of it moves a
// cursor or turns letters around. Long names and reasons are shown whole.
func TestWhatAppsSayStaysText(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	name := strings.Repeat("n", 63)
	reason := hostile + strings.Repeat("why ", 500) + "end"
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "logs/wsgid.log"), []byte(hostile+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	f := h.fleet
	f.status.Apps = append(f.status.Apps, fleet.AppStatus{
		Name: name, State: "degraded", Reason: reason, Next: hostile, LastError: "last " + hostile, LogError: hostile, Waiting: hostile, Scaled: hostile, Path: folder, File: hostile,
		Warnings: []string{hostile}, Master: &fleet.MasterStatus{PID: 1, Since: now}, Health: &runner.HealthStatus{Answer: hostile},
		Workers:      []runner.WorkerInfo{{PID: 5, State: runner.WorkerBusy, Since: now, Current: []control.CurrentRequest{{Request: "GET /" + hostile, Since: now}}}},
		Processes:    []control.ProcessInfo{{Name: hostile, Number: 1, Count: 1, State: control.ProcessBackoff, LastError: hostile}},
		Schedules:    []control.ScheduleInfo{{Name: hostile, Waits: hostile, Last: &control.ScheduleRun{Failed: true, Result: hostile}}},
		Sockets:      []fleet.SocketStatus{{Kind: "host", Listen: hostile}, {Kind: "http", Listen: hostile}},
		Certificates: []fleet.CertificateStatus{{Cert: hostile, Host: hostile, Issuer: hostile, Problem: hostile}},
		Release:      &appspec.Release{ID: hostile},
	})
	f.status.Faults = []hclspec.Fault{{File: hostile, Summary: hostile, Text: hostile}}
	f.status.Warnings = []string{hostile}
	f.status.Gate = &fleet.GateStatus{File: hostile, State: "degraded", Reason: hostile, Next: hostile, Listen: []string{hostile}}
	f.plan = plan.Plan{Faults: f.status.Faults, Warnings: []string{hostile}, Apps: []plan.AppPlan{{App: name, Why: hostile, Error: hostile, File: hostile,
		Changes: []appspec.Change{{Path: hostile, Old: hostile, New: hostile}}, Actions: []plan.Action{{Kind: plan.ActionRepair, Reason: hostile, Detail: []string{hostile}}}}}}
	f.stacks = map[string][]runner.ThreadStack{name: {
		{PID: 5, Thread: 1, Request: "GET /" + hostile, Since: now, Stack: []string{hostile, hostile}}, {PID: 5, Thread: 2, Since: now, Problem: hostile}}}
	f.entries = []*deploy.Entry{{ID: "1", App: name, By: hostile, Result: "failed", Reason: hostile, Ref: hostile,
		Stages: []deploy.StageRecord{{Name: hostile, Title: hostile, Note: hostile, Output: hostile + "\n" + hostile}}}}
	cookie := h.login(false)
	paths := append([]string{"/app/" + name, "/logs?app=" + name, "/app/" + name + "/stacks", "/logs?app=" + name + "&q=red", "/logs?app=" + url.QueryEscape(hostile), "/logs?q=" + url.QueryEscape(hostile),
		"/?q=" + url.QueryEscape(hostile), "/deploys/" + name + "/1", "/deploys?app=" + url.QueryEscape(hostile), "/app/" + url.PathEscape("<script>alert(1)</script>")}, pages...)
	for _, path := range paths {
		a := h.send("GET", path, nil, "Cookie", cookie)
		body := a.body
		if strings.HasPrefix(path, "/rows") {
			var r rowsAnswer
			if err := json.Unmarshal([]byte(body), &r); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			body = r.Table + fmt.Sprint(r.Rows, r.Parts)
		}
		for _, bad := range []string{"<script>alert", "<img", "\x1b", "\u202e", "\u009b", "\x07", "[31m"} {
			if i := strings.Index(body, bad); i >= 0 {
				t.Errorf("%s shows %q: …%q…", path, bad, body[max(0, i-60):min(len(body), i+60)])
			}
		}
		if a.code != 200 && a.code != 404 {
			t.Errorf("%s: %d", path, a.code)
		}
	}
	a := h.send("GET", "/", nil, "Cookie", cookie)
	if !strings.Contains(a.body, ">"+name+"</a>") || !strings.Contains(a.body, "why end</p>") {
		t.Error("the name or the reason is not whole")
	}
}

// The pages show what the fleet says.
func TestPages(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.fleet.status.Daemon.Hold = true
	h.fleet.plan = plan.Plan{Apps: []plan.AppPlan{{App: "blog", Why: "workers.max changed", Disruption: appspec.Live,
		Changes: []appspec.Change{{Path: "workers.max", Old: "2", New: "4", Disruption: appspec.Live}}, Actions: []plan.Action{{Kind: plan.ActionUpdate, Reason: "workers.max changed"}}}}}
	h.fleet.entries = []*deploy.Entry{{ID: "20261128-051203", App: "blog", Kind: "deploy", Result: "ok", Release: "20261128-1", By: "ann", Stages: []deploy.StageRecord{{Title: "fetch", Output: "all is here"}}}}
	cookie := h.login(false)
	for path, words := range map[string][]string{
		"/":                             {"2 apps: 1 ready, 1 backoff", `href="/app/blog"`, "ImportError", "next: install it", "Edits wait for apply"},
		"/app/shop":                     {"ImportError<br><b>Next:</b> install it"},
		"/?state=backoff":               {`data-app="shop"`},
		"/app/blog":                     {"Requests a second", "Latency", "Workers and queue", "Restart", `name="confirm"`},
		"/plan":                         {"1 app to change; 1 unchanged.", "workers.max", "<del>2</del>", "<ins>4</ins>", "Apply this plan"},
		"/logs?app=blog":                {"The log is empty"},
		"/deploys":                      {"20261128-051203", "ann"},
		"/deploys/blog/20261128-051203": {"all is here", "Roll back"},
		"/hosts":                        {"No spec file has a gate", "No app has hosts"},
	} {
		a := h.send("GET", path, nil, "Cookie", cookie)
		if path == "/plan" {
			words[0] = "1 app to change; 0 unchanged."
		}
		for _, w := range words {
			if a.code != 200 || !strings.Contains(a.body, w) {
				t.Errorf("%s (%d) does not say %q", path, a.code, w)
			}
		}
	}
	if a := h.send("GET", "/?state=backoff", nil, "Cookie", cookie); strings.Contains(a.body, `data-app="blog"`) {
		t.Error("the filter shows all")
	}
}

// A log as long as it likes is searched without being kept; what was found is marked.
func TestLongLog(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("writes 100 MB")
	}
	h := newHarness(t)
	folder := h.fleet.status.Apps[0].Path
	if err := os.Mkdir(filepath.Join(folder, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(folder, "logs/wsgid.log"))
	if err != nil {
		t.Fatal(err)
	}
	block := []byte(strings.Repeat("2026-11-28 05:12:03,456 - app - OUTPUT - \x1b[1m<b>words</b>\x1b[0m that nobody looks for\n", 12000))
	for size := 0; size < 100<<20; size += len(block) {
		if _, err := file.Write(block); err != nil {
			t.Fatal(err)
		}
		if size == 0 {
			fmt.Fprintf(file, "2026-11-28 05:12:03,456 - app - ERROR - the Needle <i>here</i>\n%s\n", strings.Repeat("long", 500_000))
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	cookie := h.login(false)
	a := h.send("GET", "/logs?app=blog&q=needle", nil, "Cookie", cookie)
	if !strings.Contains(a.body, "the <mark>Needle</mark> &lt;i&gt;here") || strings.Contains(a.body, "nobody looks for") {
		t.Errorf("the search says: %d %.3000s", a.code, a.body)
	}
	for _, path := range []string{"/logs?app=blog&n=999999", "/logs?app=blog"} {
		a := h.send("GET", path, nil, "Cookie", cookie)
		if n := strings.Count(a.body, "nobody looks for"); a.code != 200 || n < fewLines || n > maxLines || len(a.body) > 3*pageBytes || strings.Contains(a.body, "\x1b") {
			t.Errorf("%s: %d, %d lines, %d bytes", path, a.code, n, len(a.body))
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\x1b[1;31mb\x1b[0mc": "abc", "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link", "\x1b]0;t\x07x": "x", "a\x1bMb": "ab", "\u009b31mz": "z",
		"a\r\nb\tc": "a b c", "\xff": "\uFFFD", "a\x00b": "a\uFFFDb", "\x1b": "\uFFFD",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) is %q, want %q", in, got, want)
		}
	}
}

// What went wrong is told once: as the reason, or beside it where the reason is another.
func TestAnErrorIsToldOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cookie := h.login(false)
	for reason, twice := range map[string]bool{"ImportError: shop; next try in 2s": false, "ImportError: shop": false, "1 of 2 workers are ready": true} {
		h.fleet.mu.Lock()
		h.fleet.status.Apps[1].Reason, h.fleet.status.Apps[1].LastError = reason, "ImportError: shop"
		h.fleet.mu.Unlock()
		if a := h.send("GET", "/app/shop", nil, "Cookie", cookie); a.code != 200 || strings.Contains(a.body, "Last error:") != twice || !strings.Contains(a.body, reason) {
			t.Errorf("%q: %d %s", reason, a.code, a.body)
		}
	}
}
