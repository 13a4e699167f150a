package fleet

import (
	"context"
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// SettleDeploys ends what an earlier daemon has left in the middle, app by app.
func (p *operations) SettleDeploys(ctx context.Context) {
	for _, app := range p.e.names() {
		book := p.e.store.book(app)
		all, _ := book.List()
		running := false
		for _, e := range all {
			running = running || e.Result == deploy.ResultRunning
		}
		if !running {
			continue
		}
		unlock, err := book.Lock("the daemon, which settles an interrupted deploy")
		if err != nil {
			continue // a command is at it
		}
		if _, err := p.settleDeploys(ctx, app); err != nil {
			p.e.log.Error(err.Error(), "app", app)
		}
		unlock()
	}
}

// settleDeploys ends what a daemon or a command that was killed has left in the
// middle, and returns the logbook. Its caller holds the lock of the app's deploys.
func (p *operations) settleDeploys(ctx context.Context, app string) (*deploy.Entries, error) {
	book := p.e.store.book(app)
	read := book.Entries()
	if read.Err != nil {
		p.e.log.Warn(read.Err.Error(), "app", app)
	}
	for _, e := range read.All {
		if e.Result != deploy.ResultRunning {
			continue // most: what serves need not be read for them
		}
		cur, before, _, err := book.Current()
		if err != nil {
			return read, err
		}
		switch deploy.Settle(e, cur) {
		case deploy.Leave:
			continue
		case deploy.GiveUp:
			e.Result, e.Reason = deploy.ResultInterrupted, "the process that did it was ended; nothing that serves was changed"
		case deploy.Finish:
			if rerr := p.bring(ctx, app); rerr == nil {
				e.Result, e.Reason = deploy.ResultOK, "the process that did it was ended after the rollout had begun; it was finished later, and stages that run after the switch did not run"
				if err := p.finish(ctx, app, e); err != nil {
					e.Reason += "; " + err.Error()
				}
			} else {
				e.Result, e.Reason = deploy.ResultFailed, "the process that did it was ended in the rollout, and the release does not serve: "+rerr.Error()
				if err := book.SetCurrent(before, nil); err != nil {
					return read, err
				}
				if err := p.rollout(ctx, app); err != nil && before != nil {
					e.Reason += "; nor does the one before it: " + err.Error()
				}
			}
		}
		for i := range e.Stages {
			if s := &e.Stages[i]; s.Result == deploy.ResultRunning {
				s.Result, s.Ended = deploy.ResultInterrupted, p.e.now()
			}
		}
		e.Ended = p.e.now()
		if err := book.Save(e); err != nil {
			return read, err
		}
		p.e.log.Warn("an interrupted deploy was settled", "app", app, "deploy", e.ID, "result", e.Result, "reason", e.Reason)
	}
	return read, nil
}

// finish switches the link app to a release that serves.
func (p *operations) finish(ctx context.Context, app string, e *deploy.Entry) error {
	set, setErr := p.e.snapshot()
	w := wanted(set, setErr, app, p.e.store.Recall(app).LastGood)
	if w.Spec == nil {
		return nil
	}
	owner, err := appdir.ResolveOwner(w.Spec, os.Geteuid() == 0)
	if err != nil {
		return err
	}
	return deploy.Switch(ctx, owner, w.Spec.Path, e.Release)
}
