package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

func TestAppStatus(t *testing.T) {
	spec, other := testSpec(), testSpec(withApp("x:y"))
	good := plan.Want{Spec: spec}
	fail := func(s *appspec.Spec, retry time.Time) *state.Failure {
		return &state.Failure{Digest: runner.Digest(s), Reason: "the port is taken", Attempts: 2, RetryAt: retry}
	}
	for _, tt := range []struct {
		name     string
		w        plan.Want
		o        plan.Observed
		noDaemon bool
		state    string
		reason   string
	}{
		{name: "ready", w: good, o: plan.Observed{Masters: []plan.Master{seen(1, spec)}}, state: "ready"},
		{name: "its master's words", w: good, o: plan.Observed{Masters: []plan.Master{seen(1, spec, func(m *plan.Master) {
			m.Status.State, m.Status.Reason = runner.StateBackoff, "ImportError; next try in 2s"
		})}}, state: "backoff", reason: "ImportError; next try in 2s"},
		{name: "disabled", w: plan.Want{Spec: testSpec(disabled)}, state: "disabled", reason: "enabled = false"},
		{name: "disabled, drains", w: plan.Want{Spec: testSpec(disabled)}, o: plan.Observed{Masters: []plan.Master{seen(1, spec, draining)}},
			state: "disabled", reason: "enabled = false; draining"},
		{name: "stopped", w: good, o: plan.Observed{AppState: state.AppState{Override: state.Override{Stopped: true}}},
			state: "stopped", reason: "stopped by an operator; start it with: wsgid-fleet start blog"},
		{name: "gone, drains", w: plan.Want{}, o: plan.Observed{Masters: []plan.Master{seen(1, spec, draining)}, AppState: state.AppState{LastGood: spec}},
			state: "stopped", reason: "its spec was removed; draining"},
		{name: "gone, its successor starts", w: plan.Want{}, o: plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: state.AppState{LastGood: spec}, Successor: "site"},
			state: "stopped", reason: "its spec was removed; it serves until app site, which takes its place, does"},
		{name: "gone, its successor cannot be started", w: plan.Want{}, o: plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: state.AppState{LastGood: spec}, Successor: "site", SuccessorFails: true},
			state: "degraded", reason: "its spec was removed; it serves until app site, which takes its place, can be started"},
		{name: "invalid", w: plan.Want{Invalid: "blog.hcl:1:1: bad"}, state: "invalid", reason: "blog.hcl:1:1: bad"},
		{name: "held, serves", w: plan.Want{Spec: spec, Held: "blog.hcl:1:1: bad"}, o: plan.Observed{Masters: []plan.Master{seen(1, spec)}},
			state: "degraded", reason: "runs on its last good spec: blog.hcl:1:1: bad"},
		{name: "held, disabled", w: plan.Want{Spec: testSpec(disabled), Held: "bad"},
			state: "disabled", reason: "enabled = false; runs on its last good spec: bad"},
		{name: "cannot start", w: good, o: plan.Observed{AppState: state.AppState{Failure: fail(spec, now.Add(1500*time.Millisecond))}},
			state: "backoff", reason: "the port is taken; next try in 1.5s (attempt 3)"},
		{name: "cannot start, no daemon", w: good, noDaemon: true, o: plan.Observed{AppState: state.AppState{Failure: fail(spec, now)}},
			state: "backoff", reason: "the port is taken; no daemon is running to try again"},
		{name: "cannot start, of another spec", w: good, o: plan.Observed{AppState: state.AppState{Failure: fail(other, now)}}, state: "starting"},
		{name: "not running, no daemon", w: good, noDaemon: true,
			state: "backoff", reason: "it is not running, and no daemon is running to start it; start it with: wsgid-fleet apply blog"},
		{name: "being started", w: good, o: plan.Observed{Masters: []plan.Master{seen(1, spec, draining)}}, state: "starting", reason: "its old master drains"},
		{name: "change given up", w: plan.Want{Spec: other}, o: plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: state.AppState{Failure: fail(other, time.Time{})}},
			state: "degraded", reason: "the port is taken"},
		{name: "change waits", w: plan.Want{Spec: other}, o: plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: state.AppState{Failure: fail(other, now.Add(time.Minute))}},
			state: "degraded", reason: "the port is taken; next try in 1m0s (attempt 3)"},
		{name: "change to come", w: plan.Want{Spec: other}, o: plan.Observed{Masters: []plan.Master{seen(1, spec)}},
			state: "updating", reason: "its spec changed; the change is being carried out"},
		{name: "change to come, of an app that is not well", w: plan.Want{Spec: other}, o: plan.Observed{Masters: []plan.Master{seen(1, spec, func(m *plan.Master) {
			m.Status.State, m.Status.Reason = runner.StateBackoff, "no module blog"
		})}}, state: "backoff", reason: "no module blog; its spec changed; the change is being carried out"},
		{name: "change, no daemon", w: plan.Want{Spec: other}, noDaemon: true, o: plan.Observed{Masters: []plan.Master{seen(1, spec)}},
			state: "degraded", reason: "its spec changed, and no daemon is running to carry it out; do it with: wsgid-fleet apply blog"},
		{name: "rollout under way", w: plan.Want{Spec: other}, o: plan.Observed{Masters: []plan.Master{seen(1, spec, func(m *plan.Master) {
			m.Status.State = runner.StateUpdating
			m.Status.WantDigest, m.Status.Rollout, m.Status.Reason = runner.Digest(other), 2, "a rollout is in progress"
		})}}, state: "updating", reason: "a rollout is in progress"},
		{name: "does not answer", w: good, o: plan.Observed{Masters: []plan.Master{seen(1, spec, silent)}},
			state: "degraded", reason: "its master (pid 1) does not answer: i/o timeout"},
	} {
		tt.o.App = "blog"
		a := appStatus(tt.w, tt.o, !tt.noDaemon, now)
		if a.State != tt.state || a.Reason != tt.reason {
			t.Errorf("%s:\ngot  %s: %q\nwant %s: %q", tt.name, a.State, a.Reason, tt.state, tt.reason)
		}
		if a.Workers == nil || a.Sockets == nil {
			t.Errorf("%s: null in the JSON", tt.name)
		}
	}
	if a := appStatus(plan.Want{}, plan.Observed{App: "blog"}, true, now); a.Name != "" {
		t.Errorf("an app without a trace is shown: %+v", a)
	}
}

// What to do is said beside the reason, where the reason does not say it.
func TestNextStepOfAStatus(t *testing.T) {
	t.Parallel()
	spec, other := testSpec(), testSpec(withApp("x:y"))
	loading := func(s *appspec.Spec) plan.Master {
		return seen(1, s, func(m *plan.Master) {
			m.Status.State, m.Status.Reason, m.Status.Next = runner.StateBackoff, "no module blog", "add it"
		})
	}
	given := state.AppState{Failure: &state.Failure{Digest: runner.Digest(other), Reason: "no module x", Next: "did you mean y?"}}
	fault := func(detail string) *hclspec.Fault {
		return &hclspec.Fault{Summary: "bad", Diagnostics: hcl.Diagnostics{
			{Severity: hcl.DiagWarning, Summary: "odd", Detail: "look at it"}, {Severity: hcl.DiagError, Summary: "bad", Detail: detail}, {Severity: hcl.DiagError, Summary: "worse", Detail: "no"}}}
	}
	for _, tt := range []struct {
		name string
		w    plan.Want
		o    plan.Observed
		want string
	}{
		{name: "well", w: plan.Want{Spec: spec}, o: plan.Observed{Masters: []plan.Master{seen(1, spec)}}},
		{name: "cannot be loaded", w: plan.Want{Spec: spec}, o: plan.Observed{Masters: []plan.Master{loading(spec)}}, want: "add it"},
		{name: "the master does not answer", w: plan.Want{Spec: spec}, o: plan.Observed{Masters: []plan.Master{seen(1, spec, silent)}}},
		{name: "a change was given up", w: plan.Want{Spec: other}, o: plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: given}, want: "did you mean y?"},
		{name: "a change was given up, and taken back", w: plan.Want{Spec: spec}, o: plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: given}},
		{name: "a spec that was never good", w: plan.Want{Invalid: "bad", Fault: fault("write: x = 1")}, want: "write: x = 1"},
		{name: "of many lines", w: plan.Want{Invalid: "bad", Fault: fault("write:\nhttp {\n}")}, want: "see what to write: wsgid-fleet validate"},
		{name: "no advice", w: plan.Want{Invalid: "bad", Fault: fault("")}},
		{name: "no file is at fault", w: plan.Want{Invalid: "bad"}},
		{name: "both", w: plan.Want{Spec: spec, Held: "bad", Fault: fault("write: x = 1")}, o: plan.Observed{Masters: []plan.Master{loading(spec)}}, want: "write: x = 1; add it"},
		{name: "stopped", w: plan.Want{Spec: spec}, o: plan.Observed{Masters: []plan.Master{loading(spec)}, AppState: state.AppState{Override: state.Override{Stopped: true}}}},
	} {
		tt.o.App = "blog"
		if a := appStatus(tt.w, tt.o, true, now); a.Next != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, a.Next, tt.want)
		}
	}
}

func TestStatusLine(t *testing.T) {
	apps := func(states ...string) *Status {
		st := &Status{}
		for i, s := range states {
			st.Apps = append(st.Apps, AppStatus{Name: string(rune('a' + i)), State: s, Reason: "reason of " + s})
		}
		return st
	}
	for want, st := range map[string]*Status{
		"0 apps":          apps(),
		"1 app: 1 ready":  apps("ready"),
		"2 apps: 2 ready": apps("ready", "ready"),
		"3 apps: 2 ready, 1 backoff (b: reason of backoff)":                                 apps("ready", "backoff", "ready"),
		"5 apps: 1 ready, 1 idle, 1 degraded, 1 backoff, 1 disabled (d: reason of backoff)": apps("ready", "idle", "degraded", "backoff", "disabled"),
		"2 apps: 1 degraded, 1 invalid (b: reason of invalid)":                              apps("degraded", "invalid"),
		"1 app: 1 backoff (a: " + strings.Repeat("x", 102) + "…; next try in 10s)": {
			Apps: []AppStatus{{Name: "a", State: "backoff", Reason: strings.Repeat("x", 300) + "; next try in 10s"}},
		},
		"1 app: 1 ready (defaults.hcl:1:1: bad)": {
			Apps: []AppStatus{{Name: "a", State: "ready"}}, Faults: []hclspec.Fault{{Summary: "defaults.hcl:1:1: bad"}},
		},
	} {
		if got := StatusLine(st); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestUnknownApps(t *testing.T) {
	all := []string{"blog", "shop"}
	for _, tt := range []struct{ app, want string }{
		{"blgo", "cannot stop app blgo: no spec in /etc/wsgid.d names it; did you mean blog?"},
		{"wiki", "cannot stop app wiki: no spec in /etc/wsgid.d names it"},
	} {
		if err := unknownApps("/etc/wsgid.d", "stop", []string{"shop", tt.app}, all); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	if err := unknownApps("/etc/wsgid.d", "stop", []string{"shop", "blog"}, all); err != nil {
		t.Error(err)
	}
}

// Numbers of workers that signals have made others than the spec's are what should run.
func TestStatusOfAnAppThatSignalsHaveScaled(t *testing.T) {
	t.Parallel()
	spec := testSpec()
	spec.Workers.Min, spec.Workers.Max = 2, 2
	look := func(least, most int, s *state.Override) AppStatus {
		o := plan.Observed{App: "blog", Masters: []plan.Master{seen(1, spec, func(m *plan.Master) { m.Status.Min, m.Status.Max = least, most })}}
		if s != nil {
			o.Override = *s
		}
		return appStatus(plan.Want{Spec: spec}, o, true, now)
	}
	a := look(1, 1, nil)
	const want = "signals (TTIN, TTOU) have made it 1 worker, where its spec says 2 workers; so it stays until the spec changes or the master ends"
	if a.State != "ready" || a.Desired != (state.Desired{Min: 1, Max: 1}) || len(a.Warnings) != 1 || a.Warnings[0] != want {
		t.Errorf("%+v", a)
	}
	for what, a := range map[string]AppStatus{
		"as the spec says":    look(2, 2, nil),
		"it does not say":     look(0, 0, nil),
		"scale was ordered":   look(2, 2, &state.Override{Scale: &state.Desired{Min: 4, Max: 4}, Digest: runner.Digest(spec)}),
		"that is carried out": look(4, 4, &state.Override{Scale: &state.Desired{Min: 4, Max: 4}, Digest: runner.Digest(spec)}),
	} {
		if len(a.Warnings) != 0 || a.Desired.Max == 1 {
			t.Errorf("%s: %+v", what, a)
		}
	}
}
