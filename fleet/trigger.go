package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// TriggerOrder has a schedule run now, besides its times.
type TriggerOrder struct {
	App      string `json:"app"`
	Schedule string `json:"schedule"`
	Wait     bool   `json:"wait,omitempty"` // until the run has ended
	// Order tells it from others: it is run once, whoever asks how often, and whatever
	// happens to daemon and masters meanwhile.
	Order string `json:"order"`
}

// States of a run in a Result.
const (
	RunStarted = "started"
	RunDone    = "done"
	RunFailed  = "failed"
)

const (
	// triggerPatience is how long a master is waited for that decides, and a daemon
	// that is being replaced.
	triggerPatience = 30 * time.Second
	triggerPause    = 50 * time.Millisecond
)

// Trigger see Operator. A daemon that goes away meanwhile is asked again.
func (c *Client) Trigger(ctx context.Context, o TriggerOrder, progress func(Event)) ([]Result, error) {
	o.Order = cmp.Or(o.Order, rand.Text())
	var since time.Time
	for {
		asked := time.Now()
		results, err := c.command(ctx, "trigger", command{Trigger: &o}, progress)
		lost := (*lostError)(nil)
		if !errors.As(err, &lost) || ctx.Err() != nil {
			return results, err
		}
		if since.IsZero() || time.Since(asked) > triggerPatience { // it had answered since
			since = time.Now()
		}
		if time.Since(since) > triggerPatience {
			return nil, err
		}
		reconcile.Pause(ctx, triggerPause)
	}
}

// Trigger see Operator.
func (p *operations) Trigger(ctx context.Context, o TriggerOrder, progress func(Event)) ([]Result, error) {
	o.Order = cmp.Or(o.Order, rand.Text())
	return p.command(ctx, "trigger", []string{o.App}, progress, func(name string) Result {
		r, no := p.disabled(name, "trigger a schedule of")
		if !no {
			r, no = p.stopped(name, "trigger a schedule of")
		}
		if !no {
			r = p.trigger(ctx, name, o)
		}
		r.Schedule = o.Schedule
		return r
	})
}

// trigger asks for the run until a master has it, or refuses.
func (p *operations) trigger(ctx context.Context, name string, o TriggerOrder) Result {
	r := Result{App: name, State: RunFailed}
	deadline := p.core.Now().Add(triggerPatience)
	for told := ""; ; reconcile.Pause(ctx, triggerPause) {
		w, obs := p.core.Look(ctx, name)
		if names := schedulesOf(w, obs); !slices.Contains(names, o.Schedule) {
			r.Reason = "the app has no schedule " + o.Schedule
			r.Reason += "; it has " + cmp.Or(strings.Join(names, ", "), "none")
			return r
		}
		t, err := triggerIn(ctx, obs, o)
		switch {
		case ctx.Err() != nil:
			r.Reason = fmt.Sprintf("cannot wait for its start: %v", context.Cause(ctx))
			return r
		case err == nil && t.Refused == "":
			return p.triggered(ctx, name, o, t.Run)
		case err != nil:
			r.Reason = err.Error()
		default:
			if r.Reason = t.Refused; !t.Later {
				return r
			}
		}
		if r.Reason != told {
			told = r.Reason
			p.core.Emit(name, "waiting", "schedule "+o.Schedule+": "+told)
		}
		if !p.core.Now().Before(deadline) {
			return r
		}
	}
}

// schedulesOf are the names of those that an app has, by its spec or by what runs.
func schedulesOf(w plan.Want, o reconcile.Observed) (names []string) {
	if w.Spec != nil {
		for _, b := range w.Spec.Schedules {
			names = append(names, b.Name)
		}
	}
	for _, s := range o.Masters {
		for _, i := range s.Status.Schedules {
			names = append(names, i.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// triggerIn asks the master that decides, as far as can be seen.
func triggerIn(ctx context.Context, o reconcile.Observed, order TriggerOrder) (runner.Triggered, error) {
	if o.FindErr != nil {
		return runner.Triggered{}, o.FindErr
	}
	err := errors.New("no master of the app runs")
	for _, s := range o.All() {
		if s.Err != nil {
			err = s.Err
			continue
		}
		if s.IsDraining() {
			continue
		}
		return s.Handle.Trigger(ctx, order.Schedule, order.Order)
	}
	return runner.Triggered{}, err
}

// triggered tells of a run that has begun, and waits for its end where that is asked.
func (p *operations) triggered(ctx context.Context, name string, o TriggerOrder, run runner.ScheduleRun) Result {
	for o.Wait && run.Ended.IsZero() {
		reconcile.Pause(ctx, triggerPause)
		if ctx.Err() != nil {
			return Result{App: name, State: RunStarted, Reason: fmt.Sprintf("cannot wait for its end: %v", context.Cause(ctx)), Run: &run}
		}
		_, obs := p.core.Look(ctx, name)
		known, ok := runOf(obs, o)
		if !ok {
			return Result{App: name, State: RunStarted, Run: &run,
				Reason: "its result is not known: another one was triggered meanwhile, or its record is lost; see wsgid-fleet logs " + name}
		}
		if known != nil {
			run = *known
		}
	}
	r := Result{App: name, OK: !run.Failed, State: RunStarted, Run: &run}
	switch {
	case run.Failed:
		r.State, r.Reason = RunFailed, run.Result
	case !run.Ended.IsZero():
		r.State = RunDone
	}
	return r
}

// runOf finds a run in what the masters tell; nil: none of them can tell now. False: it
// is known no more.
func runOf(o reconcile.Observed, order TriggerOrder) (*runner.ScheduleRun, bool) {
	for _, s := range o.Masters {
		if s.Err != nil || s.IsDraining() {
			continue
		}
		for _, i := range s.Status.Schedules {
			if i.Name != order.Schedule {
				continue
			}
			for _, run := range []*runner.ScheduleRun{i.Triggered, i.Last} {
				if run != nil && run.Order == order.Order {
					return run, true
				}
			}
			return nil, i.Waits != "" // a master that has not read the record yet
		}
	}
	return nil, true
}
