package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// settle waits until an app is ready or has failed.
func (e *engine) settle(ctx context.Context, name string, daemon bool) Result {
	var deadline time.Time
	last := ""
	for {
		w, o := e.look(ctx, name)
		r, cur := settled(w, o.Observed, daemon, e.now())
		// Between two masters the daemon is about to start one, or to let the app sleep:
		// a wake, an edit or a death has come in between.
		between := cur == nil && daemon && r.State == string(runner.StateStarting)
		if cur == nil && !between {
			return r
		}
		if deadline.IsZero() {
			limit := settleSlack
			if w.Spec != nil {
				limit += w.Spec.Workers.StartTimeout.D()
				if cur != nil && cur.Status.Rollout != 0 {
					limit *= time.Duration(max(w.Spec.Workers.Max, 1))
				}
			}
			deadline = e.now().Add(limit)
		}
		if text := r.State + r.Reason; text != last {
			last = text
			e.events.publish(Event{At: e.now(), App: name, State: r.State, Message: r.Reason})
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
		if err != nil && !e.now().Before(deadline) {
			if r.Reason == "" {
				r.Reason = "it neither became ready nor failed in time"
			}
			return r
		}
	}
}

// settleOnce says how an app stands without waiting.
func (e *engine) settleOnce(ctx context.Context, name string, daemon bool) Result {
	w, o := e.look(ctx, name)
	r, _ := settled(w, o.Observed, daemon, e.now())
	return r
}

// settled judges whether an app has come to rest. It is pure. A master that is
// returned is worth waiting for.
func settled(w plan.Want, o plan.Observed, daemon bool, now time.Time) (Result, *plan.Master) {
	st := appStatus(w, o, daemon, now)
	r := Result{App: st.Name, State: st.State, Reason: st.Reason, Warnings: st.Warnings}
	if st.Name == "" { // gone without a trace
		return Result{App: o.App, OK: true, State: StateStopped, Reason: "its spec was removed"}, nil
	}
	digest := digestOf(w.Spec)
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

func digestOf(spec *appspec.Spec) string {
	if spec == nil {
		return ""
	}
	return runner.Digest(spec)
}
