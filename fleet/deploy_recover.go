package fleet

import (
	"context"
	"os"
	"slices"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// sweepReleases removes what deploys have put aside in an app folder, while the rest
// goes on. What it does not come to is removed by the next deploy, or by the next
// daemon.
func (p *operations) sweepReleases(folder string) {
	if !deploy.HasTrash(folder) {
		return
	}
	p.sweeping.Go(func() {
		if err := deploy.EmptyTrash(folder); err != nil {
			p.core.Log.Warn(err.Error())
		}
	})
}

// RecoverDeploys ends what an earlier daemon has left in the middle. Where a command
// is at it, that is awaited: it may be killed too.
func (p *operations) RecoverDeploys(ctx context.Context) {
	set, _ := p.core.Dir.Snapshot()
	var all sync.WaitGroup
	for _, app := range p.core.Dir.Names() {
		if set != nil && set.Specs[app] != nil && set.Specs[app].Deploy != nil {
			p.sweepReleases(set.Specs[app].Path)
		}
		if p.core.Gone(app) && p.core.Heir(app) != "" {
			continue // that is called with what it inherits
		}
		all.Go(func() { p.recoverDeploysOf(ctx, app) })
	}
	all.Wait()
}

// recoverDeploysOf is RecoverDeploys for one app.
func (p *operations) recoverDeploysOf(ctx context.Context, app string) {
	book := p.core.Store.Book(app)
	if es, _ := book.List(); !slices.ContainsFunc(es, func(e *deploy.Entry) bool { return e.Result == deploy.ResultRunning }) {
		return
	}
	unlock, err := lockBook(ctx, book, "the daemon, which settles an interrupted deploy", true, func(*deploy.LockedError) {})
	if err == nil {
		_, err = p.recoverDeploys(ctx, app)
		unlock()
	}
	if err != nil && ctx.Err() == nil {
		p.core.Log.Error(err.Error(), "app", app)
	}
}

// recoverDeploys ends what a daemon or a command that was killed has left in the
// middle, and returns the logbook. Its caller holds the lock of the app's deploys.
func (p *operations) recoverDeploys(ctx context.Context, app string) (*deploy.Entries, error) {
	book := p.core.Store.Book(app)
	read := book.Entries()
	if read.Err != nil {
		p.core.Log.Warn(read.Err.Error(), "app", app)
	}
	for _, e := range read.All {
		if e.Result != deploy.ResultRunning {
			continue // most: what serves need not be read for them
		}
		cur, before, _, err := book.Current()
		if err != nil {
			return read, err
		}
		switch deploy.FateOf(e, cur) {
		case deploy.Leave:
			continue
		case deploy.GiveUp:
			e.Result, e.Reason = deploy.ResultInterrupted, "the process that ran it was terminated; "+e.Left()
		case deploy.Finish:
			if err := p.finishRollout(ctx, app, e, before); err != nil {
				return read, err
			}
		}
		for i := range e.Stages {
			if s := &e.Stages[i]; s.Result == deploy.ResultRunning {
				s.Result, s.Ended = deploy.ResultInterrupted, p.core.Now()
			}
		}
		e.Ended = p.core.Now()
		if err := book.Save(e); err != nil {
			return read, err
		}
		p.core.Log.Warn("an interrupted deploy was settled", "app", app, "deploy", e.ID, "result", e.Result, "reason", e.Reason)
	}
	return read, nil
}

// finishRollout goes on with the rollout of a deploy; where its release does not serve, it goes
// back to the one before.
func (p *operations) finishRollout(ctx context.Context, app string, e *deploy.Entry, before *deploy.Record) error {
	if err := p.bring(ctx, app); err != nil {
		e.Result, e.Reason = deploy.ResultFailed, "the process that ran it was terminated during the rollout, and the release does not serve: "+err.Error()
		if err := p.core.Store.Book(app).SetCurrent(before, nil); err != nil {
			return err
		}
		if err := p.rollout(ctx, app); err != nil && before != nil {
			e.Reason += "; neither does the previous one: " + err.Error()
		}
		return nil
	}
	e.Result, e.Reason = deploy.ResultOK, "the process that ran it was terminated after the rollout had started; it was finished later"
	if !e.Whole(p.deployOf(app)) {
		e.Reason += ", and stages that run after the switch did not run"
	}
	if err := p.finish(app, e); err != nil {
		e.Reason += "; " + err.Error()
	}
	return nil
}

// deployOf is the deploy block of an app as it is now; nil: it has none.
func (p *operations) deployOf(app string) *appspec.Deploy {
	set, err := p.core.Dir.Snapshot()
	if w := plan.Wanted(set, err, app, p.core.Store.Load(app).LastGood); w.Spec != nil {
		return w.Spec.Deploy
	}
	return nil
}

// finish switches the link app to a release that serves.
func (p *operations) finish(app string, e *deploy.Entry) error {
	set, setErr := p.core.Dir.Snapshot()
	w := plan.Wanted(set, setErr, app, p.core.Store.Load(app).LastGood)
	if w.Spec == nil {
		return nil
	}
	owner, err := appdir.ResolveOwner(w.Spec, os.Geteuid() == 0)
	if err != nil {
		return err
	}
	return deploy.Switch(owner, w.Spec.Path, e.Release)
}
