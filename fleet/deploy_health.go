package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// health says whether an app is well that was just rolled out. Where it has workers
// the rollout has waited for them, and for the first good answer of each to the
// health check. One without any, of workers.min = 0, has proved nothing yet: a
// worker is started for it.
func (p *operations) health(ctx context.Context, app string) (note string, err error) {
	w, o := p.core.Look(ctx, app)
	if w.Spec == nil {
		return "", errors.New("its spec was removed")
	}
	cur, _ := o.Current(plan.DigestOf(w.Spec))
	letGo := func() {}
	if cur == nil || ready(cur.Status.Workers) == 0 {
		// Also where a master runs: it may be about to be let go.
		letGo = p.core.KeptAwake.Keep(app)
		defer letGo()
		if r := p.converge(ctx, app, reconcile.Intent{Request: plan.Request{Retry: true, Wake: true}}); !r.OK {
			return "", unready(r)
		}
		w, o = p.core.Look(ctx, app)
		if cur, _ = o.Current(plan.DigestOf(w.Spec)); cur == nil {
			return "", errors.New("no master runs for it")
		}
	}
	if ready(cur.Status.Workers) == 0 {
		if err := o.Handles[cur.PID].Scale(ctx, 1, max(1, w.Spec.Workers.Max)); err != nil {
			return "", err
		}
		letGo() // from here on it has a worker to wait for
		// A master that was replaced meanwhile has nothing to be given back.
		defer func(m reconcile.Handle) {
			_ = m.Scale(context.WithoutCancel(ctx), w.Spec.Workers.Min, w.Spec.Workers.Max)
		}(o.Handles[cur.PID])
		if r := p.core.awaitOutcome(ctx, app, p.daemon() != nil); !r.OK {
			return "", unready(r)
		}
		_, o = p.core.Look(ctx, app)
		if cur, _ = o.Current(plan.DigestOf(w.Spec)); cur == nil {
			return "", errors.New("its master is gone")
		}
	}
	if h := cur.Status.Health; h != nil && h.OK {
		return h.Answer, nil
	}
	n := ready(cur.Status.Workers)
	return fmt.Sprintf("%d of %d workers are ready", n, max(n, cur.Status.Min)), nil
}

func ready(ws []runner.WorkerInfo) int {
	n := 0
	for _, w := range ws {
		if w.State == runner.WorkerIdle || w.State == runner.WorkerBusy {
			n++
		}
	}
	return n
}

// bring rolls the release that the logbook says out, and asks for its health.
func (p *operations) bring(ctx context.Context, app string) error {
	if err := p.rollout(ctx, app); err != nil {
		return err
	}
	_, err := p.health(ctx, app)
	return err
}
