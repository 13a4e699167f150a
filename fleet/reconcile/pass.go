package reconcile

import (
	"context"
	"errors"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// Pass brings one app nearer to its spec, under its lock. idle is called
// around waits.
func (c *Core) Pass(ctx context.Context, name string, ord Intent, idle func(func())) Outcome {
	unlock, err := c.Store.LockApp(ctx, name)
	if err != nil {
		return Outcome{Err: err}
	}
	defer unlock()
	p := pass{c: c, name: name, ord: ord, idle: idle}
	_ = p.recall(ctx) && p.keep() && p.isDue(ctx) && p.act(ctx) && p.settle() && p.forget(ctx)
	return p.out
}

// pass is one Pass. Its steps, in this order, each say whether the next one is to follow.
type pass struct {
	c    *Core
	name string
	ord  Intent
	idle func(func())

	rem  state.AppState
	want plan.Want
	out  Outcome
}

// recall reads what is known of the app, and what the specs want of it.
func (p *pass) recall(ctx context.Context) bool {
	c := p.c
	p.rem = c.Store.Load(p.name)
	if p.rem.Unknown == nil {
		if c.remind(p.name, &p.rem) {
			c.saveReminded(p.name, p.rem)
		}
		c.remindFailure(p.name, &p.rem)
		if p.want, p.out.Err = c.Dir.AwaitWanted(ctx, p.name, &p.rem, p.ord.Confirmed, p.idle); p.out.Err != nil {
			return false
		}
	}
	if p.rem.Unknown != nil {
		p.out = c.unknown(Outcome{}, p.name, p.rem.Unknown)
		return false
	}
	for _, r := range p.rem.Corrupt {
		c.Log.Warn(r, "app", p.name)
		c.Emit(p.name, "warning", r)
	}
	p.out.Want = p.want
	return true
}

// keep writes down what must outlive this process, before anything is done for it.
func (p *pass) keep() bool {
	c, w := p.c, p.want
	c.Inherit(p.name, p.rem.Former)
	if err := c.remember(p.name, w, &p.rem, p.ord); errors.Is(err, errOrder) {
		p.out.Err, p.out.RetryAt = err, c.Now().Add(unknownRetry) // what else there is to do is done without it
		c.Log.Error(err.Error(), "app", p.name)
		return false
	} else if err != nil {
		p.out.Err = err
		p.out = c.failed(p.out, p.rem, p.name)
		return false
	}
	p.out.Kept = true
	if w.Invalid != "" || w.Spec == nil && w.Waiting != "" {
		return false
	}
	c.memorize(p.name, w, p.rem)
	return true
}

// isDue is false for an app that is gone, as long as it is to serve on.
func (p *pass) isDue(ctx context.Context) bool {
	if !p.want.Gone() {
		return true
	}
	c, out := p.c, &p.out
	switch next, fails := c.stays(ctx, p.name, p.rem.LastGood, p.ord.Alongside); {
	case fails:
		out.RetryAt = c.Now().Add(successionRetry)
	case next != "":
		out.RetryAt, out.Successor = c.Now().Add(successionLook), next
	case c.isAskedFor(p.name):
		out.RetryAt, out.Reread = c.Now().Add(successionLook), true
	default:
		return true
	}
	return false
}

// act looks at the app and does what its plan says; anew where a master has ended by itself
// meanwhile.
func (p *pass) act(ctx context.Context) bool {
	c, w, out := p.c, p.want, &p.out
	a := c.Applier(p.name, p.idle)
	for again := 2; ; again-- {
		var o Observed
		patiently(p.idle, LookPatience, func() { o = c.Observe(ctx, p.name, p.rem, w.Spec) })
		if o.Unknown != nil {
			*out = c.unknown(*out, p.name, o.Unknown)
			return false
		}
		if c.Dir.LeavesFolder(p.name, w) {
			o.Problems = nil
		}
		o.Request = p.ord.Request
		out.Plan = plan.MakePlan(w.Spec, o.Observed, c.Now())
		out.Err = a.Apply(ctx, w.Spec, o, out.Plan)
		if out.Err == nil {
			return true
		}
		if again == 0 || !a.EndedMeanwhile(ctx, o.ByPID(out.Plan.CurrentPID), out.Err) {
			break
		}
	}
	if p.ord.Retry {
		p.rem.Failure = nil // it is tried again as at first
	}
	*out = c.failed(*out, p.rem, p.name)
	return false
}

// settle ends what belonged to a failure that is over, and to masters that are no more.
func (p *pass) settle() bool {
	c, w, out := p.c, p.want, &p.out
	if f := p.rem.Failure; f != nil {
		if out.Plan.Held && !out.Plan.Done {
			out.RetryAt = f.RetryAt
		} else {
			out.Err = c.saveFailure(p.name, nil)
		}
	}
	if w.Spec == nil || !w.Spec.Enabled || p.rem.Override.Stopped {
		// Its masters may have ended by themselves, or under an earlier daemon.
		c.Activator.Forget(p.name)
		c.Holder.Drop(p.name)
		c.Sockets.Drop(p.name)
		removeSocketFiles(c.Log, p.rem.SocketFiles(nil))
	}
	return true
}

// forget removes what is known of an app that is gone, and left its deploys to its heir.
func (p *pass) forget(ctx context.Context) bool {
	c, out := p.c, &p.out
	if !p.want.Gone() {
		return true
	}
	if left, _, err := c.masters(ctx, p.name); err != nil || len(left) > 0 {
		out.Err = err
		return false
	}
	if out.RetryAt = c.bequeath(p.name); out.RetryAt.IsZero() {
		out.Err = c.Store.Delete(p.name)
	}
	return true
}
