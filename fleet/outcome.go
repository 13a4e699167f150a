package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// awaitOutcome waits until an app is ready or has failed.
func (c *core) awaitOutcome(ctx context.Context, name string, daemon bool) Result {
	var deadline time.Time
	last := ""
	for {
		w, o := c.Look(ctx, name)
		r, cur := outcomeOf(w, o.Observed, daemon, c.Now())
		// Between two masters the daemon is about to start one, or to let the app sleep:
		// a wake, an edit or a death has come in between.
		between := cur == nil && daemon && r.State == string(runner.StateStarting)
		if cur == nil && !between {
			return r
		}
		if deadline.IsZero() {
			limit := outcomeSlack
			if w.Spec != nil {
				limit += w.Spec.Workers.StartTimeout.D()
				if cur != nil && cur.Status.Rollout != 0 {
					limit *= time.Duration(max(w.Spec.Workers.Max, 1))
				}
			}
			deadline = c.Now().Add(limit)
		}
		if text := r.State + r.Reason; text != last {
			last = text
			c.Emit(name, r.State, r.Reason)
		}
		wctx, cancel := context.WithDeadline(ctx, deadline)
		var err error
		if between {
			reconcile.Pause(wctx, 10*time.Millisecond)
			err = wctx.Err()
		} else {
			_, err = o.Handles[cur.PID].Status(wctx, cur.Status.Version)
		}
		cancel()
		if ctx.Err() != nil {
			r.Reason = fmt.Sprintf("cannot wait for it: %v", context.Cause(ctx))
			return r
		}
		if err != nil && !c.Now().Before(deadline) {
			if r.Reason == "" {
				r.Reason = "it neither became ready nor failed in time"
			}
			return r
		}
	}
}

// outcomeNow says how an app stands without waiting.
func (c *core) outcomeNow(ctx context.Context, name string, daemon bool) Result {
	w, o := c.Look(ctx, name)
	r, _ := outcomeOf(w, o.Observed, daemon, c.Now())
	return r
}

// outcomeOf judges whether an app has come to rest. It is pure. A master that is
// returned is worth waiting for.
func outcomeOf(w plan.Want, o plan.Observed, daemon bool, now time.Time) (Result, *plan.Master) {
	st := appStatus(w, o, daemon, now)
	r := Result{App: st.Name, State: st.State, Reason: st.Reason, Warnings: st.Warnings}
	if st.Name == "" { // gone without a trace
		return Result{App: o.App, OK: true, State: StateStopped, Reason: "its spec was removed"}, nil
	}
	digest := plan.DigestOf(w.Spec)
	if f := o.Failure; f != nil && f.Digest == digest && f.Traceback != "" {
		r.Traceback = words.LastLines(f.Traceback, 8)
	}
	cur, _ := o.Current(digest)
	if cur == nil || w.Spec == nil {
		switch st.State {
		case StateStopped, StateDisabled, string(runner.StateIdle):
			r.OK = w.Held == ""
		}
		return r, nil
	}
	if cur.Err == nil && r.Traceback == "" && st.State != string(runner.StateReady) {
		r.Traceback = words.LastLines(cur.Status.Traceback, 8)
	}
	s := cur.Status
	switch {
	case st.State == StateStopped || st.State == StateDisabled:
		r.OK = w.Held == ""
		return r, nil
	case w.Held != "" || cur.Err != nil:
		return r, nil
	case o.Failure != nil && o.Failure.Digest == digest:
		return r, nil
	case s.Rollout != 0:
		return r, cur
	case s.RolloutError != "":
		return r, nil
	case cur.Digest() != digest:
		return r, cur
	}
	switch s.State {
	case runner.StateReady, runner.StateIdle:
		r.OK = true
		r.Traceback = ""
		return r, nil
	case runner.StateBackoff:
		return r, nil
	case runner.StateStarting, runner.StateUpdating, runner.StateDegraded, runner.StateStopping:
	}
	return r, cur
}
