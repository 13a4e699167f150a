package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
)

// Deploy brings an app's code here and rolls it out, or goes back to an earlier
// release. A context that ends asks it to stop at the next point where nothing is
// touched yet.
func (p *operations) Deploy(ctx context.Context, o DeployOrder, progress func(Event)) ([]Result, error) {
	_, set, err := p.ordered(ctx, o)
	if err != nil {
		return nil, err
	}
	if p.core.opts.Cluster != nil && o.part == nil {
		return p.deployEverywhere(ctx, o, 0, progress)
	}
	if progress == nil {
		progress = func(Event) {}
	}
	unlock, err := p.lockDeploys(ctx, set, o, progress)
	if err != nil {
		return nil, err
	}
	defer unlock()
	// It may have waited, and is for what is there now: an app that was given another name
	// meanwhile has taken its logbook along.
	spec, set, err := p.ordered(ctx, o)
	if err != nil {
		return nil, err
	}
	// The asker's end is a wish to stop between two stages; our own stops it at once.
	work := p.life
	earlier, err := p.recoverDeploys(work, o.App)
	if err != nil {
		return nil, err
	}
	if e := o.finished(earlier.All); e != nil {
		return []Result{p.deployed(work, e)}, nil
	}
	// The folder is there, and what runs runs by its spec.
	out := p.pass(work, o.App, reconcile.Intent{})
	err = out.Err
	if out.Want.Asked != nil && !o.Back && (err == nil || reconcile.IsRejected(err)) { // it goes on where it is, and is brought elsewhere
		err = p.core.Folders.Repair(spec, nil)
	}
	if err != nil && !reconcile.IsRejected(err) {
		return nil, fmt.Errorf("cannot %s %s: %w", o.Verb(), o.App, err)
	}
	owner, err := appdir.ResolveOwner(spec, os.Geteuid() == 0)
	if err != nil {
		return nil, fmt.Errorf("cannot %s %s: %w", o.Verb(), o.App, err)
	}
	p.sweepReleases(spec.Path) // what a process that was killed has not removed
	d := p.deployer(o, spec, owner, progress)
	d.Book, d.Earlier = p.core.Store.Book(o.App), earlier
	if o.part != nil {
		o.join(work, d)
	}
	var entry *deploy.Entry
	if o.Back {
		entry, err = d.Rollback(work, ctx, o.To)
	} else {
		entry, err = d.Deploy(work, ctx)
	}
	if entry == nil {
		return nil, err
	}
	p.tellGate(work, progress)
	r := p.core.outcomeNow(work, o.App, p.daemon() != nil)
	r.Deploy = entry
	r.reached(spec, p.core.Dir.Front(set))
	if err != nil {
		r.OK, r.Reason = false, err.Error()
		p.core.Log.Error("deploy failed", "app", o.App, "deploy", entry.ID, "reason", err.Error(), "next", "wsgid-fleet deploys show "+o.App+" "+entry.ID)
	} else {
		p.core.Log.Info("deployed", "app", o.App, "deploy", entry.ID, "release", entry.Release, "commit", entry.Commit)
	}
	return []Result{r}, nil
}

// ordered is the spec of the app that the order is for, and the directory that it is in.
func (p *operations) ordered(ctx context.Context, o DeployOrder) (*appspec.Spec, *hclspec.Set, error) {
	_, set, err := p.choose(ctx, o.Verb(), []string{o.App})
	if p.life.Err() != nil {
		return nil, nil, p.ends(o)
	}
	if err != nil {
		return nil, nil, err
	}
	spec, err := p.deployable(set, o)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot %s %s: %w", o.Verb(), o.App, err)
	}
	return spec, set, nil
}

// lockDeploys waits until no other deploy of the app is under way, and keeps others away. What
// the app has by a former name it has before: what nobody needs any more, and what can be
// gone back to, follow from that. A deploy by that name is one of this app.
func (p *operations) lockDeploys(ctx context.Context, set *hclspec.Set, o DeployOrder, progress func(Event)) (unlock func(), err error) {
	waiting, enough := context.WithCancelCause(ctx)
	defer enough(nil)
	defer context.AfterFunc(p.life, func() { enough(reconcile.ErrClosing) })()
	lock := func(app string) {
		unlock, err = lockBook(waiting, p.core.Store.Book(app), o.who(), o.Wait, func(other *deploy.LockedError) {
			progress(Event{At: p.core.Now(), App: o.App, State: EventWaits, Message: "waits: " + other.Reason()})
		})
	}
	rem := p.core.Store.Load(o.App)
	_ = p.core.Dir.Wanted(set, nil, o.App, &rem, false)
	if rem.Former != "" {
		if lock(rem.Former); err == nil {
			unlock()
			p.core.Inherit(o.App, rem.Former)
		}
	}
	if err == nil {
		lock(o.App)
	}
	switch {
	case err == nil:
		return unlock, nil
	case p.life.Err() != nil:
		return nil, p.ends(o)
	case ctx.Err() != nil:
		return nil, err
	}
	return nil, fmt.Errorf("cannot %s %s: %w", o.Verb(), o.App, err)
}

// deployer is what carries the order out, with what it needs of the fleet.
func (p *operations) deployer(o DeployOrder, spec *appspec.Spec, owner appdir.Owner, progress func(Event)) *deploy.Deployer {
	var mask applog.Mask
	mask.Learn(spec)
	return &deploy.Deployer{
		Agree: p.agree(o.App), Pythons: &p.core.pythons, Now: p.core.Now,
		Spec: spec, Owner: owner, By: o.By, Order: o.Order, Ref: o.Ref, Mask: mask.Text, Learn: mask.Learn,
		Still:   func(ctx context.Context) error { return p.still(ctx, o, spec) },
		Rollout: func(ctx context.Context) error { return p.rollout(ctx, o.App) },
		Health:  func(ctx context.Context) (string, error) { return p.health(ctx, o.App) },
		InUse:   func() []string { return p.releasesInUse(o.App) },
		Sweep:   func() { p.sweepReleases(spec.Path) },
		StageHost: func() (string, error) {
			user, err := sandbox.ResolveUser(spec)
			if err != nil {
				return "", err
			}
			return sandbox.LayOutStageHost(p.core.Store.Dir, user)
		},
		Tell: func(t deploy.Told) { progress(stageEvent(o.App, p.core.Now(), t)) },
	}
}

// deployable is the spec of an app that can be deployed, without a release, or why it
// cannot: nothing is begun, no stage run, that could not come to serve.
func (p *operations) deployable(set *hclspec.Set, o DeployOrder) (*appspec.Spec, error) {
	app := o.App
	rem := p.core.Store.Load(app)
	w := p.core.Dir.Wanted(set, nil, app, &rem, false)
	switch {
	case w.Spec == nil && w.Waiting != "":
		return nil, errors.New(waitsFor(app, w.Waiting))
	case w.Invalid != "":
		return nil, errors.New(w.Invalid)
	case w.Spec == nil:
		return nil, errors.New("its spec was removed")
	case w.Held != "":
		return nil, fmt.Errorf("it runs on its last good spec: %s", w.Held)
	case w.Spec.Deploy == nil:
		return nil, fmt.Errorf("it has no deploy block in %s; set where its code comes from: deploy { repository = \"…\" }", w.Spec.File)
	case !w.Spec.Enabled:
		return nil, fmt.Errorf("enabled = false in %s", w.Spec.File)
	case rem.Override.Stopped:
		return nil, fmt.Errorf("it is stopped; start it first: wsgid-fleet start %s", app)
	}
	if o.Back { // where its releases are
		return specdir.WithoutRelease(w.Spec), nil
	}
	return specdir.WithoutRelease(w.Said()), nil
}

// still says why a release that was made for a spec cannot serve any more: what somebody
// has done to the app meanwhile.
func (p *operations) still(ctx context.Context, o DeployOrder, was *appspec.Spec) error {
	set, err := p.reread(ctx)
	if set == nil {
		return err
	}
	now, err := p.deployable(set, o)
	switch {
	case err != nil:
		return err
	case now.Path != was.Path:
		return fmt.Errorf("path was changed from %s to %s in %s; deploy it again", was.Path, now.Path, now.File)
	}
	return nil
}

// ends refuses an order because this daemon ends.
func (p *operations) ends(o DeployOrder) error {
	return &againError{text: fmt.Sprintf("cannot %s %s: the daemon (pid %d) is ending; try again when another one runs", o.Verb(), o.App, os.Getpid())}
}

// rollout brings the app to the release that the logbook says, and waits for it.
func (p *operations) rollout(ctx context.Context, app string) error {
	// Without a daemon nobody else reads it, and what has been removed since is not to be
	// brought back. Where it cannot be read the app is as it was.
	if _, err := p.reread(ctx); err == nil && p.core.Gone(app) {
		return errors.New("its spec was removed")
	}
	return unready(p.converge(ctx, app, reconcile.Intent{Request: plan.Request{Retry: true}}))
}

// unready says why an app has not become ready; nil: it has.
func unready(r Result) error {
	if r.OK {
		return nil
	}
	text := r.Reason
	if text == "" {
		text = "it is " + r.State
	}
	if r.Traceback != "" {
		text += "\n" + r.Traceback
	}
	return errors.New(text)
}

// releasesInUse are those that a master has been told to run, and those that are
// kept to go back to.
func (p *operations) releasesInUse(app string) []string {
	var out []string
	add := func(s *appspec.Spec) {
		if s != nil && s.Release != nil {
			out = append(out, s.Release.ID)
		}
	}
	rem := p.core.Store.Load(app)
	add(rem.LastGood)
	if rem.Applied != nil {
		add(rem.Applied.Spec)
		add(rem.Applied.Before)
	}
	return out
}
