package reconcile_test

import (
	"context"
	"errors"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// interrupted takes over what it is handed, and something happens before its answer is read.
type interrupted struct {
	*reconciletest.Master
	happens func() error
}

func (m interrupted) Update(ctx context.Context, spec *appspec.Spec, generation int, rolling bool) error {
	err := m.Master.Update(ctx, spec, generation, rolling)
	return errors.Join(err, m.happens(), ctx.Err())
}

// TestWhoIsInterruptedKnowsWhatWasHandedOver: an edit that overtakes another one, or the end of
// the daemon, in the moment in which a master is handed a spec, does not make that one unknown: the
// master would be replaced for the next edit, whatever that is.
func TestWhoIsInterruptedKnowsWhatWasHandedOver(t *testing.T) {
	for name, overtaken := range map[string]bool{"overtaken": true, "ended": false} {
		t.Run(name, func(t *testing.T) {
			f, m := reconciletest.New(t), reconciletest.NewMachine()
			r := newReconciler(t, f, m)
			master := r.started(f, m, reconciletest.Count(1))
			before := master.Recorded().SpecDigest
			f.Spec("blog", reconciletest.Count(3))
			r.load()
			set, _ := r.core.Dir.Snapshot()
			ctx, cancel := context.WithCancel(t.Context())
			o := r.core.Observe(ctx, "blog", r.core.Store.Load("blog"), set.Specs["blog"])
			for pid, h := range o.Handles {
				o.Handles[pid] = interrupted{h.(*reconciletest.Master), func() error {
					if overtaken {
						cancel()
						return nil
					}
					return errors.New("killed")
				}}
			}
			defer cancel()
			p := plan.MakePlan(set.Specs["blog"], o.Observed, r.core.Now())
			err := r.core.Applier("blog", func(f func()) { f() }).Apply(ctx, set.Specs["blog"], o, p)
			if overtaken != (err == nil) {
				t.Errorf("error %v", err)
			}
			rem := r.core.Store.Load("blog")
			for _, digest := range []string{before, runner.Digest(set.Specs["blog"])} {
				if rem.SpecOf(digest) == nil {
					t.Errorf("the spec of digest %.8s is not known any more", digest)
				}
			}
		})
	}
}

// What the gate is told is written down before it answers: it does not know of it as long as somebody
// works on it.
func TestTheGateLagsUntilItHasAnswered(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	r := newReconciler(t, f, m)
	f.Spec("blog", `hosts = ["blog.test"]`)
	f.Write("gate", "gate {\n  http { listen = \"127.0.0.1:1\" }\n}\n")
	r.load()
	gate := r.core.GateLags()
	if gate == nil {
		t.Fatal("a gate that was told nothing knows all names")
	}
	unlock, err := r.core.Store.LockApp(t.Context(), appspec.GateName)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.core.Store.SaveApplied(appspec.GateName, state.Applied{Generation: 1, Digest: plan.DigestOf(gate), Spec: gate}); err != nil {
		t.Fatal(err)
	}
	if r.core.GateLags() == nil {
		t.Error("the gate is being told, and is taken to know")
	}
	unlock()
	if r.core.GateLags() != nil {
		t.Error("the gate was told, and is taken not to know")
	}
}
