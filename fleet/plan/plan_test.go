package plan_test

import (
	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan/plantest"

	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

var (
	testSpec    = fleettest.Spec
	withCount   = fleettest.WithCount
	withApp     = fleettest.WithApp
	withRelease = fleettest.WithRelease
	withListen  = fleettest.WithListen
	disabled    = fleettest.Disabled
	seen        = plantest.Master
	inState     = plantest.InState
	draining    = plantest.Draining
	silent      = plantest.Silent
	applied     = plantest.Applied
	idle        = fleettest.Idle
	resting     = plantest.Suspended
	rolling     = plantest.Rolling
	wants       = plantest.Wants

	now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

func TestMakePlan(t *testing.T) {
	spec := testSpec()
	released := testSpec(withRelease("1", "3f2a91c0035", "venvs/a"))
	rejected := func(s *appspec.Spec) *state.Failure {
		return &state.Failure{Digest: runner.Digest(s), Reason: "ImportError: no module named blog", At: now}
	}
	waiting := func(s *appspec.Spec, d time.Duration) *state.Failure {
		return &state.Failure{Digest: runner.Digest(s), Reason: "cannot listen on 127.0.0.1:8000: the port is taken", At: now, Attempts: 1, RetryAt: now.Add(d)}
	}
	tests := []struct {
		name string
		spec *appspec.Spec
		o    plan.Observed
		want []string // kinds of actions
		kind appspec.Disruption
		why  string
	}{
		{name: "nothing runs", spec: spec,
			want: []string{"start"}, kind: appspec.Replace, why: "no master runs"},
		{name: "a master died", spec: spec, o: plan.Observed{Request: plan.Request{Dead: true}},
			want: []string{"start"}, kind: appspec.Replace, why: "its master died"},
		{name: "as specified", spec: spec, o: plan.Observed{Masters: []plan.Master{seen(1, spec)}},
			why: "as specified"},
		{name: "folder damaged", spec: spec, o: plan.Observed{Masters: []plan.Master{seen(1, spec)}, Problems: []string{"plugins: create the folder"}},
			want: []string{"repair"}, why: "the app folder differs from the spec"},
		{name: "folder first, then the master", spec: spec, o: plan.Observed{Problems: []string{"x"}},
			want: []string{"repair", "start"}, kind: appspec.Replace, why: "no master runs"},
		{name: "folder cannot be checked", spec: spec, o: plan.Observed{FolderErr: errors.New("user blog does not exist")},
			want: []string{"repair", "start"}, kind: appspec.Replace, why: "no master runs"},
		{name: "no descriptors to look for masters", spec: spec, o: plan.Observed{Unknown: syscall.EMFILE}, why: "its running processes cannot be determined now"},
		{name: "no descriptors, and its spec was removed", o: plan.Observed{Unknown: syscall.EMFILE, Masters: []plan.Master{seen(1, spec)}}, why: "its running processes cannot be determined now"},
		{name: "count: live", spec: testSpec(withCount(4)),
			o:    plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: state.AppState{Applied: applied(spec)}},
			want: []string{"update"}, kind: appspec.Live, why: "workers.count changes"},
		{name: "the last good spec tells what runs, too", spec: testSpec(withCount(4)),
			o:    plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: state.AppState{LastGood: spec}},
			want: []string{"update"}, kind: appspec.Live, why: "workers.count changes"},
		{name: "wsgi_app: rolling", spec: testSpec(withApp("blog:other")),
			o:    plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: state.AppState{Applied: applied(spec)}},
			want: []string{"roll"}, kind: appspec.Rolling, why: "wsgi_app changes"},
		{name: "two changes: the greater disruption", spec: testSpec(withApp("blog:other"), withCount(4)),
			o:    plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: state.AppState{Applied: applied(spec)}},
			want: []string{"roll"}, kind: appspec.Rolling, why: "wsgi_app and workers.count change"},
		{name: "another release: rolling", spec: testSpec(withRelease("2", "9ab01234567", "venvs/a")),
			o:    plan.Observed{Masters: []plan.Master{seen(1, released)}, AppState: state.AppState{Applied: applied(released)}},
			want: []string{"roll"}, kind: appspec.Rolling, why: "commit 3f2a91c003 → 9ab0123456, requirements unchanged"},
		{name: "another release with another virtualenv, and an edit", spec: testSpec(withRelease("2", "9ab01234567", "venvs/b"), withCount(4)),
			o:    plan.Observed{Masters: []plan.Master{seen(1, released)}, AppState: state.AppState{Applied: applied(released)}},
			want: []string{"roll"}, kind: appspec.Rolling, why: "commit 3f2a91c003 → 9ab0123456, requirements changed: new virtualenv; workers.count changes"},
		{name: "another release of one commit", spec: testSpec(withRelease("2", "3f2a91c0035", "")),
			o:    plan.Observed{Masters: []plan.Master{seen(1, testSpec(withRelease("1", "3f2a91c0035", "")))}, AppState: state.AppState{LastGood: testSpec(withRelease("1", "3f2a91c0035", ""))}},
			want: []string{"roll"}, kind: appspec.Rolling, why: "release 1 → 2 of commit 3f2a91c003"},
		{name: "the first release", spec: testSpec(withRelease("1", "3f2a91c0035", "venvs/a")),
			o:    plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: state.AppState{Applied: applied(spec)}},
			want: []string{"roll"}, kind: appspec.Rolling, why: "release 1 (commit 3f2a91c003); deploy changes"},
		{name: "sockets: replace", spec: testSpec(withListen("127.0.0.1:9000")),
			o:    plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: state.AppState{Applied: applied(spec)}},
			want: []string{"replace"}, kind: appspec.Replace},
		{name: "what runs is not known: replace", spec: testSpec(withCount(4)), o: plan.Observed{Masters: []plan.Master{seen(1, spec)}},
			want: []string{"replace"}, kind: appspec.Replace, why: "it runs a spec that is not known here"},
		{name: "gone", o: plan.Observed{Masters: []plan.Master{seen(1, spec)}},
			want: []string{"stop"}, kind: appspec.Replace, why: "its spec was removed"},
		{name: "gone and drains", o: plan.Observed{Masters: []plan.Master{seen(1, spec, draining)}},
			why: "its spec was removed; draining"},
		{name: "disabled", spec: testSpec(disabled), o: plan.Observed{Masters: []plan.Master{seen(1, spec)}, Problems: []string{"x"}},
			want: []string{"repair", "stop"}, kind: appspec.Replace, why: "enabled = false"},
		{name: "disabled and down", spec: testSpec(disabled), why: "enabled = false"},
		{name: "stopped by hand", spec: spec, o: plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: state.AppState{Override: state.Override{Stopped: true}}},
			want: []string{"stop"}, kind: appspec.Replace, why: "stopped by an operator"},
		{name: "only a draining master", spec: spec, o: plan.Observed{Masters: []plan.Master{seen(1, spec, draining)}},
			want: []string{"start"}, kind: appspec.Replace, why: "no master runs"},

		{name: "scaled", spec: spec, o: plan.Observed{Masters: []plan.Master{seen(1, spec)},
			AppState: state.AppState{Override: state.Override{Scale: &state.Desired{Min: 5, Max: 5}, Digest: runner.Digest(spec)}}},
			want: []string{"scale"}, kind: appspec.Live, why: "scaled to 5 by an operator"},
		{name: "scaled for another spec", spec: spec, o: plan.Observed{Masters: []plan.Master{seen(1, spec)},
			AppState: state.AppState{Override: state.Override{Scale: &state.Desired{Min: 5, Max: 5}, Digest: "other"}}},
			why: "as specified"},
		{name: "scaled already", spec: spec, o: plan.Observed{Masters: []plan.Master{seen(1, spec, func(m *plan.Master) { m.Status.Min, m.Status.Max = 5, 5 })},
			AppState: state.AppState{Override: state.Override{Scale: &state.Desired{Min: 5, Max: 5}, Digest: runner.Digest(spec)}}},
			why: "as specified"},
		{name: "one worker more by signal stays", spec: spec, o: plan.Observed{Masters: []plan.Master{seen(1, spec, func(m *plan.Master) { m.Status.Min, m.Status.Max = 3, 3 })}},
			why: "as specified"},

		{name: "start failed, wait", spec: spec, o: plan.Observed{AppState: state.AppState{Failure: waiting(spec, 1500*time.Millisecond)}},
			why: "cannot listen on 127.0.0.1:8000: the port is taken; next try in 1.5s"},
		{name: "start failed, its time has come", spec: spec, o: plan.Observed{AppState: state.AppState{Failure: waiting(spec, 0)}},
			want: []string{"start"}, kind: appspec.Replace},
		{name: "start failed, and the clock was set back since", spec: spec, o: plan.Observed{AppState: state.AppState{Failure: func() *state.Failure {
			f := waiting(spec, time.Second)
			f.At, f.RetryAt = f.At.Add(24*time.Hour), f.RetryAt.Add(24*time.Hour)
			return f
		}()}}, want: []string{"start"}, kind: appspec.Replace},
		{name: "start failed, the spec changed", spec: testSpec(withCount(3)), o: plan.Observed{AppState: state.AppState{Failure: waiting(spec, time.Minute)}},
			want: []string{"start"}, kind: appspec.Replace},
		{name: "start failed, an operator asks", spec: spec, o: plan.Observed{Request: plan.Request{Retry: true}, AppState: state.AppState{Failure: waiting(spec, time.Minute)}},
			want: []string{"start"}, kind: appspec.Replace},
		{name: "given up: the old one serves on", spec: testSpec(withApp("x:y")),
			o:   plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: state.AppState{Applied: applied(spec), Failure: rejected(testSpec(withApp("x:y")))}},
			why: "ImportError: no module named blog"},
		{name: "given up: an operator asks", spec: testSpec(withApp("x:y")),
			o: plan.Observed{Masters: []plan.Master{seen(1, spec)}, Request: plan.Request{Retry: true},
				AppState: state.AppState{Applied: applied(spec), Failure: rejected(testSpec(withApp("x:y")))}},
			want: []string{"roll"}, kind: appspec.Rolling},
		{name: "given up, and the old one died: it comes back", spec: testSpec(withApp("x:y")),
			o:    plan.Observed{AppState: state.AppState{Applied: applied(spec), Failure: rejected(testSpec(withApp("x:y")))}},
			want: []string{"start blog:app"}, kind: appspec.Replace},
		{name: "a rollout of another daemon is under way", spec: testSpec(withApp("x:y")),
			o: plan.Observed{AppState: state.AppState{Applied: applied(spec)}, Masters: []plan.Master{seen(1, spec, func(m *plan.Master) {
				m.Status.WantDigest, m.Status.Rollout = runner.Digest(testSpec(withApp("x:y"))), 2
			})}},
			why: "a rollout is in progress"},
		{name: "a rollout of another daemon was given up", spec: testSpec(withApp("x:y")),
			o: plan.Observed{AppState: state.AppState{Applied: applied(spec)}, Masters: []plan.Master{seen(1, spec, func(m *plan.Master) {
				m.Status.WantDigest, m.Status.RolloutError = runner.Digest(testSpec(withApp("x:y"))), "SyntaxError"
			})}},
			why: "SyntaxError"},
		{name: "a rollout was given up, and its spec is no longer wanted", spec: spec,
			o: plan.Observed{AppState: state.AppState{Applied: applied(spec)}, Masters: []plan.Master{seen(1, spec, wants(testSpec(withApp("x:y"))), func(m *plan.Master) {
				m.Status.RolloutError = "SyntaxError"
			})}},
			want: []string{"update"}, kind: appspec.Live, why: "another spec that was sent to it is no longer desired"},
		{name: "a rollout is in progress that is no longer wanted", spec: spec,
			o: plan.Observed{AppState: state.AppState{Applied: rolling(testSpec(withApp("x:y")), spec)}, Masters: []plan.Master{seen(1, spec, wants(testSpec(withApp("x:y"))), func(m *plan.Master) {
				m.Status.Rollout = 2
			})}},
			want: []string{"update"}, kind: appspec.Live},
		{name: "a rollout is in progress, and the spec changes again", spec: testSpec(withApp("x:y"), withCount(4)),
			o: plan.Observed{AppState: state.AppState{Applied: rolling(testSpec(withApp("x:y")), spec)}, Masters: []plan.Master{seen(1, spec, wants(testSpec(withApp("x:y"))), func(m *plan.Master) {
				m.Status.Rollout = 2
			})}},
			want: []string{"roll"}, kind: appspec.Rolling, why: "wsgi_app and workers.count change"},

		{name: "min = 0: its sockets are opened", spec: testSpec(idle), o: plan.Observed{CanSleep: true},
			want: []string{"listen"}, kind: appspec.Replace, why: "workers.min is 0: its first connection starts it"},
		{name: "min = 0: its socket file was never made", spec: testSpec(idle), o: plan.Observed{CanSleep: true, Surroundings: plan.Surroundings{Gone: []string{"unix:/run/x.sock"}}},
			want: []string{"listen"}, kind: appspec.Replace, why: "workers.min is 0: its first connection starts it"},
		{name: "min = 0: its socket file is gone", spec: testSpec(idle), o: plan.Observed{CanSleep: true, Awaited: []string{"127.0.0.1:8000"}, Surroundings: plan.Surroundings{Gone: []string{"unix:/run/x.sock"}}},
			want: []string{"listen"}, kind: appspec.Replace, why: "its socket file unix:/run/x.sock is gone"},
		{name: "min = 0: it is waited for", spec: testSpec(idle), o: plan.Observed{CanSleep: true, Awaited: []string{"127.0.0.1:8000"}},
			why: "its first connection starts it"},
		{name: "min = 0: it is waited for elsewhere", spec: testSpec(idle, withListen("127.0.0.1:9000")), o: plan.Observed{CanSleep: true, Awaited: []string{"127.0.0.1:8000"}},
			want: []string{"listen"}, kind: appspec.Replace},
		{name: "min = 0: somebody came", spec: testSpec(idle), o: plan.Observed{CanSleep: true, Request: plan.Request{Wake: true}},
			want: []string{"start"}, kind: appspec.Replace, why: "a connection arrived"},
		{name: "min = 0: its last start failed", spec: testSpec(idle), o: plan.Observed{CanSleep: true, AppState: state.AppState{Failure: waiting(testSpec(idle), 0)}},
			want: []string{"start"}, kind: appspec.Replace},
		{name: "min = 0: no daemon", spec: testSpec(idle),
			want: []string{"start"}, kind: appspec.Replace},
		{name: "min = 0: scaled by an operator", spec: testSpec(idle), o: plan.Observed{CanSleep: true, Awaited: []string{"127.0.0.1:8000"},
			AppState: state.AppState{Override: state.Override{Scale: &state.Desired{Min: 2, Max: 2}, Digest: runner.Digest(testSpec(idle))}}},
			want: []string{"start"}, kind: appspec.Replace},
		{name: "min = 0: mongrel2", spec: testSpec(idle, func(s *appspec.Spec) {
			s.Sockets.Mongrel2 = []appspec.Mongrel2Socket{{Recv: "tcp://a", Send: "tcp://b"}}
		}),
			o:    plan.Observed{CanSleep: true},
			want: []string{"start"}, kind: appspec.Replace},
		{name: "nobody asks", spec: testSpec(idle), o: plan.Observed{CanSleep: true, Masters: []plan.Master{seen(1, testSpec(idle), resting)}},
			want: []string{"rest"}, kind: appspec.Live, why: "no request in 5m0s"},
		{name: "nobody asks, and no daemon", spec: testSpec(idle), o: plan.Observed{Masters: []plan.Master{seen(1, testSpec(idle), resting)}},
			why: "as specified"},

		{name: "start asked: back-off ends", spec: spec, o: plan.Observed{Request: plan.Request{Retry: true}, Masters: []plan.Master{seen(1, spec, inState(runner.StateBackoff))}},
			want: []string{"retry"}, kind: appspec.Live},
		{name: "start asked: it runs already", spec: spec, o: plan.Observed{Request: plan.Request{Retry: true}, Masters: []plan.Master{seen(1, spec)}},
			why: "as specified"},
		{name: "reload asked", spec: spec, o: plan.Observed{Request: plan.Request{Reload: true}, Masters: []plan.Master{seen(1, spec)}},
			want: []string{"roll"}, kind: appspec.Rolling, why: "reload was asked for"},
		{name: "reload asked, count changed", spec: testSpec(withCount(4)),
			o:    plan.Observed{Request: plan.Request{Reload: true}, Masters: []plan.Master{seen(1, spec)}, AppState: state.AppState{Applied: applied(spec)}},
			want: []string{"roll"}, kind: appspec.Rolling, why: "reload was asked for; workers.count changes"},
		{name: "restart asked", spec: spec, o: plan.Observed{Request: plan.Request{Restart: true}, Masters: []plan.Master{seen(1, spec)}},
			want: []string{"replace"}, kind: appspec.Replace, why: "restart was asked for"},

		{name: "two masters: the one that serves by the spec stays", spec: spec,
			o:    plan.Observed{Masters: []plan.Master{seen(2, testSpec(withCount(9))), seen(1, spec)}},
			want: []string{"retire pid 2"}},
		{name: "a replacement was cut short: go on", spec: testSpec(withListen("127.0.0.1:9000")),
			o: plan.Observed{AppState: state.AppState{Applied: applied(testSpec(withListen("127.0.0.1:9000"))), LastGood: spec},
				Masters: []plan.Master{seen(2, testSpec(withListen("127.0.0.1:9000")), inState(runner.StateStarting)), seen(1, spec)}},
			want: []string{"replace"}, kind: appspec.Replace},
		{name: "a replacement was cut short after the new one was ready", spec: testSpec(withListen("127.0.0.1:9000")),
			o: plan.Observed{AppState: state.AppState{LastGood: spec},
				Masters: []plan.Master{seen(2, testSpec(withListen("127.0.0.1:9000"))), seen(1, spec)}},
			want: []string{"retire pid 1"}},
		{name: "it hangs", spec: spec, o: plan.Observed{Masters: []plan.Master{seen(1, spec, silent, func(m *plan.Master) { m.Hung = true })}},
			want: []string{"replace"}, kind: appspec.Replace, why: "its master (pid 1) hangs"},
		{name: "it does not answer", spec: spec, o: plan.Observed{Masters: []plan.Master{seen(1, spec, silent)}},
			why: "its master (pid 1) does not answer: i/o timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.App = "blog"
			p := plan.MakePlan(tt.spec, tt.o, now)
			var got []string
			for _, a := range p.Actions {
				k := string(a.Kind)
				if a.Spec != nil {
					k += " " + a.Spec.WSGIApp
				}
				if a.Kind == plan.ActionRetire {
					k += " " + strings.Join(a.Detail, " ")
				}
				got = append(got, k)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			if p.Disruption != tt.kind {
				t.Errorf("disruption %v, want %v", p.Disruption, tt.kind)
			}
			if tt.why != "" && p.Why != tt.why {
				t.Errorf("why %q, want %q", p.Why, tt.why)
			}
		})
	}
}

// A plan that was carried out leaves nothing to plan.
func TestPlanIsIdempotent(t *testing.T) {
	for _, change := range []func(*appspec.Spec){withCount(4), withApp("x:y"), withListen("127.0.0.1:1"), func(s *appspec.Spec) { s.Env = map[string]string{"A": "1"} }} {
		spec := testSpec(change)
		o := plan.Observed{App: "blog", Masters: []plan.Master{seen(1, testSpec())}, AppState: state.AppState{Applied: applied(testSpec())}}
		if p := plan.MakePlan(spec, o, now); len(p.Actions) == 0 {
			t.Errorf("nothing is planned for %v", p.Changes)
		}
		after := plan.Observed{App: "blog", Masters: []plan.Master{seen(1, spec)}, AppState: state.AppState{Applied: applied(spec)}}
		if p := plan.MakePlan(spec, after, now); len(p.Actions) != 0 {
			t.Errorf("after it was carried out, %v is planned", p.Actions)
		}
	}
}

func TestGenerations(t *testing.T) {
	a, b := testSpec(), testSpec(withCount(3))
	for _, tt := range []struct {
		name string
		o    plan.Observed
		want int
	}{
		{"first", plan.Observed{}, 1},
		{"the same again", plan.Observed{AppState: state.AppState{Applied: &state.Applied{Generation: 4, Digest: runner.Digest(a), Spec: a}}}, 4},
		{"another", plan.Observed{AppState: state.AppState{Applied: &state.Applied{Generation: 4, Digest: runner.Digest(b), Spec: b}}}, 5},
		{"a master knows more than the store", plan.Observed{Masters: []plan.Master{seen(1, b, func(m *plan.Master) { m.Status.Generation = 7 })}}, 8},
	} {
		if got := tt.o.NextGeneration(runner.Digest(a)); got != tt.want {
			t.Errorf("%s: generation %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestWanted(t *testing.T) {
	spec, last := testSpec(withCount(3)), testSpec()
	set := func(change func(*hclspec.Set)) *hclspec.Set {
		s := &hclspec.Set{Dir: "/etc/wsgid.d", Specs: map[string]*appspec.Spec{}}
		change(s)
		return s
	}
	fault := func(f hclspec.Fault) *hclspec.Set {
		return set(func(s *hclspec.Set) { s.Faults = append(s.Faults, f) })
	}
	for _, tt := range []struct {
		name string
		set  *hclspec.Set
		err  error
		last *appspec.Spec
		want string
	}{
		{"good", set(func(s *hclspec.Set) { s.Specs["blog"] = spec }), nil, last, "spec 3"},
		{"gone", set(func(*hclspec.Set) {}), nil, last, "gone"},
		{"broken block", fault(hclspec.Fault{File: "/x", App: "blog", Summary: "bad"}), nil, last, "spec 2 held: bad"},
		{"broken file that names it", fault(hclspec.Fault{File: "/x", Apps: []string{"blog"}, Summary: "bad"}), nil, last, "spec 2 held: bad"},
		{"broken file that held it", fault(hclspec.Fault{File: "/etc/wsgid.d/blog.hcl", Summary: "bad"}), nil, last, "spec 2 held: bad"},
		{"another file is broken", fault(hclspec.Fault{File: "/etc/wsgid.d/shop.hcl", Summary: "bad"}), nil, last, "gone"},
		{"another file is broken, and has its address", set(func(s *hclspec.Set) {
			s.Faults = []hclspec.Fault{{File: "/etc/wsgid.d/shop.hcl", App: "shop", Summary: "bad"}}
			s.Sources = map[string][]byte{"/etc/wsgid.d/shop.hcl": []byte("listen = \"" + last.Sockets.HTTP[0].Listen + "\"")}
		}), nil, last, "spec 2 held: bad"},
		{"another file is broken, and has another address", set(func(s *hclspec.Set) {
			s.Faults = []hclspec.Fault{{File: "/etc/wsgid.d/shop.hcl", App: "shop", Summary: "bad"}}
			s.Sources = map[string][]byte{"/etc/wsgid.d/shop.hcl": []byte("listen = \"" + last.Sockets.HTTP[0].Listen + "1\"")}
		}), nil, last, "gone"},
		{"another file has its address, and is good", set(func(s *hclspec.Set) {
			s.Faults = []hclspec.Fault{{File: "/etc/wsgid.d/wiki.hcl", App: "wiki", Summary: "bad"}}
			s.Sources = map[string][]byte{"/etc/wsgid.d/shop.hcl": []byte("listen = \"" + last.Sockets.HTTP[0].Listen + "\"")}
		}), nil, last, "gone"},
		{"broken and never good", fault(hclspec.Fault{File: "/x", App: "blog", Summary: "bad"}), nil, nil, "invalid: bad"},
		{"the directory cannot be read", nil, errors.New("no such directory"), last, "spec 2 held: no such directory"},
		{"the directory cannot be read, never good", nil, errors.New("no such directory"), nil, "invalid: no such directory"},
		{"broken defaults keep", set(func(s *hclspec.Set) {
			s.DefaultsBroken = true
			s.Faults = []hclspec.Fault{{File: "/etc/wsgid.d/defaults.hcl", Summary: "defaults.hcl:1:1: bad"}}
		}), nil, last, "spec 2 held: the fleet is not changed while defaults.hcl is broken: defaults.hcl:1:1: bad"},
	} {
		w := plan.Wanted(tt.set, tt.err, "blog", tt.last)
		got := "gone"
		switch {
		case w.Invalid != "":
			got = "invalid: " + w.Invalid
		case w.Spec != nil:
			got = fmt.Sprintf("spec %d", w.Spec.Workers.Max)
			if w.Held != "" {
				got += " held: " + w.Held
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// What an apply is bound to is what the directory asks for: that an app which fails is
// tried again, or which died is brought back, makes no plan another one, whatever moment
// of it is seen.
func TestTheDigestOfAPlanLeavesUpkeepOut(t *testing.T) {
	spec, edited := testSpec(), testSpec(withCount(4))
	fails := &state.Failure{Digest: runner.Digest(spec), Reason: "the port is taken", At: now, Attempts: 3, RetryAt: now.Add(time.Minute)}
	digest := func(s *appspec.Spec, o plan.Observed) string {
		o.Request.Retry = true // as apply does
		p := plan.Plan{Apps: []plan.AppPlan{plan.MakePlan(s, o, now)}}
		return p.Digest()
	}
	known := state.AppState{Applied: applied(spec)}
	failed := state.AppState{Applied: applied(spec), Failure: fails}
	none := digest(spec, plan.Observed{Masters: []plan.Master{seen(1, spec)}, AppState: known})
	for name, o := range map[string]plan.Observed{
		"between two tries":           {AppState: failed},
		"in a try":                    {AppState: failed, Masters: []plan.Master{seen(1, spec, inState(runner.StateStarting))}},
		"workers that do not start":   {AppState: known, Masters: []plan.Master{seen(1, spec, inState(runner.StateBackoff))}},
		"the first try has failed":    {AppState: state.AppState{Failure: fails}},
		"its master died":             {AppState: known},
		"a folder that is put right":  {AppState: known, Problems: []string{"plugins: create the folder"}, Masters: []plan.Master{seen(1, spec)}},
		"another master that is left": {AppState: known, Masters: []plan.Master{seen(1, spec), seen(2, spec)}},
	} {
		if digest(spec, o) != none {
			t.Errorf("%s: another plan", name)
		}
	}
	given := *fails
	given.RetryAt = time.Time{}
	for name, d := range map[string]string{
		"an edit":                       digest(edited, plan.Observed{AppState: known, Masters: []plan.Master{seen(1, spec)}}),
		"an edit of one that fails":     digest(edited, plan.Observed{AppState: failed}),
		"an edit of one that died":      digest(edited, plan.Observed{AppState: known}),
		"one that is new":               digest(spec, plan.Observed{}),
		"one that is given up":          digest(spec, plan.Observed{AppState: state.AppState{Failure: &given}}),
		"its spec was removed":          digest(nil, plan.Observed{AppState: known, Masters: []plan.Master{seen(1, spec)}}),
		"it is to be enabled no longer": digest(testSpec(disabled), plan.Observed{AppState: known, Masters: []plan.Master{seen(1, spec)}}),
	} {
		if d == none {
			t.Errorf("%s: the same plan as nothing to do", name)
		}
	}
}
