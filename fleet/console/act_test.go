package console

import (
	"net/url"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

func TestViewerChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.fleet.plan = plan.Plan{Apps: []plan.AppPlan{{App: "blog", Actions: []plan.Action{{Kind: plan.ActionStart}}}}}
	cookie := h.login(true)
	token := h.token(cookie)
	for _, path := range []string{"/app/blog", "/plan", "/deploys/blog"} {
		for _, verb := range []string{"start", "stop", "restart", "reload", "deploy", "rollback"} {
			if a := h.send("POST", path, url.Values{"token": {token}, "verb": {verb}, "confirm": {"blog"}, "to": {"1"}}, "Cookie", cookie); a.code != 403 {
				t.Errorf("%s %s: %d", verb, path, a.code)
			}
		}
	}
	for _, path := range pages {
		if a := h.send("GET", path, nil, "Cookie", cookie); a.code != 200 || strings.Contains(a.body, `name="verb"`) || strings.Contains(a.body, `name="digest"`) {
			t.Errorf("%s: %d, or it offers to do something", path, a.code)
		}
	}
	if did := h.fleet.done(); did != "" {
		t.Errorf("it did %s", did)
	}
}

// A form that is not of the session does nothing, and neither does one that stops an
// app whose name was not typed.
func TestForms(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cookie, other := h.login(false), h.login(false)
	token := h.token(cookie)
	for _, bad := range []string{"", "x", h.token(other), token + "x"} {
		if a := h.send("POST", "/app/blog", url.Values{"token": {bad}, "verb": {"restart"}}, "Cookie", cookie); a.code != 403 {
			t.Errorf("token %q: %d", bad, a.code)
		}
	}
	if a := h.send("POST", "/app/blog?token="+token+"&verb=restart", url.Values{}, "Cookie", cookie); a.code != 403 {
		t.Errorf("a token in the query: %d", a.code)
	}
	for _, form := range []url.Values{{"verb": {"stop"}}, {"verb": {"stop"}, "confirm": {"shop"}}, {"verb": {"remove"}}, {}} {
		form.Set("token", token)
		if a := h.send("POST", "/app/blog", form, "Cookie", cookie); a.code != 400 {
			t.Errorf("%v: %d", form, a.code)
		}
	}
	if a := h.send("POST", "/deploys/blog", url.Values{"token": {token}, "verb": {"rollback"}, "to": {"1"}}, "Cookie", cookie); a.code != 400 {
		t.Errorf("a rollback without the name: %d", a.code)
	}
	if did := h.fleet.done(); did != "" {
		t.Errorf("it did %s", did)
	}
	for _, form := range []url.Values{{"verb": {"stop"}, "confirm": {"blog"}}, {"verb": {"rollback"}, "confirm": {"blog"}, "to": {"7"}}} {
		form.Set("token", token)
		path := "/app/blog"
		if form.Get("to") != "" {
			path = "/deploys/blog"
		}
		a := h.send("POST", path, form, "Cookie", cookie)
		if a.code != 303 || !strings.HasPrefix(a.header.Get("Location"), "/did/") {
			t.Fatalf("%v: %d %s", form, a.code, a.body)
		}
		eventually(t, "the page says that it is done", func() bool {
			return strings.Contains(h.send("GET", a.header.Get("Location"), nil, "Cookie", cookie).body, ">done<")
		})
	}
	if did := h.fleet.done(); did != "stop blog; roll back blog 7 by ann (console)" {
		t.Errorf("it did %s", did)
	}
}

// Just the plan that was shown is applied.
func TestApplyIsBoundToThePlan(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	plan := func(n string) plan.Plan {
		return plan.Plan{Apps: []plan.AppPlan{{App: "blog", Why: "next try in " + n, Disruption: appspec.Live,
			Changes: []appspec.Change{{Path: "workers.max", Old: "2", New: n}}, Actions: []plan.Action{{Kind: plan.ActionUpdate, Reason: "in " + n}}}}}
	}
	h.fleet.plan = plan("4")
	cookie := h.login(false)
	token := h.token(cookie)
	m := digestIn.FindStringSubmatch(h.send("GET", "/plan", nil, "Cookie", cookie).body)
	if m == nil {
		t.Fatal("the page has no digest")
	}
	post := func(digest string) answer {
		return h.send("POST", "/plan", url.Values{"token": {token}, "digest": {digest}}, "Cookie", cookie)
	}
	for _, digest := range []string{"", "x", h.fleet.plan.Digest()} {
		if a := post(digest); a.code != 409 {
			t.Errorf("digest %q: %d", digest, a.code)
		}
	}
	h.fleet.mu.Lock()
	h.fleet.plan = plan("5")
	h.fleet.mu.Unlock()
	a := post(m[1])
	if a.code != 409 || !strings.Contains(a.body, "The plan has changed") || !strings.Contains(a.body, "<ins>5</ins>") {
		t.Errorf("another plan: %d %s", a.code, a.body)
	}
	if did := h.fleet.done(); did != "" {
		t.Fatalf("it did %s", did)
	}
	// Words that change by themselves make no other plan.
	p := plan("4")
	p.Apps[0].Why, p.Apps[0].Actions[0].Reason = "next try in 3s", "in 3s"
	h.fleet.mu.Lock()
	h.fleet.plan = p
	h.fleet.mu.Unlock()
	if a := post(m[1]); a.code != 303 {
		t.Errorf("the plan itself: %d %s", a.code, a.body)
	}
	eventually(t, "it is applied", func() bool { return h.fleet.done() == "apply" })
}

// What goes on is bounded, and what has ended is forgotten in time.
func TestMuchIsAskedFor(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.fleet.hold = make(chan struct{})
	cookie := h.login(false)
	form := url.Values{"token": {h.token(cookie)}, "verb": {"reload"}}
	for i := range maxRunning + 1 {
		a := h.send("POST", "/app/blog", form, "Cookie", cookie)
		if want := map[bool]int{true: 303, false: 503}[i < maxRunning]; a.code != want {
			t.Errorf("request %d: %d, want %d", i, a.code, want)
		}
	}
	close(h.fleet.hold)
	for range 2 * maxJobs {
		eventually(t, "there is room again", func() bool { return h.send("POST", "/app/blog", form, "Cookie", cookie).code == 303 })
	}
	h.con.jobs.mu.Lock()
	defer h.con.jobs.mu.Unlock()
	if n := len(h.con.jobs.all); n > maxJobs {
		t.Errorf("%d are remembered", n)
	}
}
