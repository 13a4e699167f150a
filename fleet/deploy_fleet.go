package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

// A deploy of an app that many machines run is one order in etcd. Each host carries out
// its part as it does a deploy of its own, with its own logbook and lock; before some of
// the stages it waits for others, see cluster.Deployment.Turn. Nobody conducts: a daemon
// that ends takes nothing with it but its own part, which the next one settles.

// deployEverywhere orders a deploy on all hosts and tells how it goes. Of its events the
// first ones were told already.
func (p *operations) deployEverywhere(ctx context.Context, o DeployOrder, told int, progress func(Event)) ([]Result, error) {
	if progress == nil {
		progress = func(Event) {}
	}
	following, enough := context.WithCancelCause(ctx)
	defer enough(nil)
	defer context.AfterFunc(p.life, func() { enough(reconcile.ErrClosing) })()
	order := cluster.Order{App: o.App, Ref: o.Ref, Back: o.Back, To: o.To, By: o.By, Asker: o.Order}
	d, err := p.core.opts.Cluster.Deploy(following, order, o.Wait,
		func(text string) {
			progress(Event{At: p.core.Now(), App: o.App, State: EventWaits, Message: text})
		},
		func(n cluster.News) {
			if told--; told < 0 {
				progress(NewsEvent(o.App, p.core.Now(), n))
			}
		},
		func() bool { return p.life.Err() != nil })
	switch {
	case p.life.Err() != nil:
		return nil, p.ends(o)
	case err != nil:
		return nil, err
	}
	r := p.core.outcomeNow(ctx, o.App, p.daemon() != nil)
	set, _ := p.core.Dir.Snapshot()
	if set != nil && set.Specs[o.App] != nil {
		r.reached(set.Specs[o.App], p.core.Dir.Front(set))
	}
	FleetResult(&r, d)
	return []Result{r}, nil
}

// FleetResult makes a result that of a deploy on many hosts.
func FleetResult(r *Result, d *cluster.Deployment) {
	e := &deploy.Entry{ID: d.Order.ID, App: d.Order.App, Kind: deploy.KindDeploy, By: d.Order.By, Order: d.Order.Asker, Began: d.Order.At, Ref: d.Order.Ref,
		Commit: d.Commit(), Release: d.Order.ID, Result: deploy.ResultOK, Stages: []deploy.StageRecord{}}
	if d.Order.Back {
		e.Kind, e.Release = deploy.KindRollback, "commit "+appspec.ShortCommit(d.Commit())
	}
	r.App, r.Deploy, r.Reason, r.OK = d.Order.App, e, d.Outcome(func(string) string { return "" }), true
	if r.Reason != "" {
		r.OK, e.Result, e.Reason = false, deploy.ResultFailed, r.Reason
	}
	for _, h := range d.Order.Hosts {
		if p := d.Parts[h]; p.State == cluster.Done && p.Reason != "" {
			r.Warnings = append(r.Warnings, fmt.Sprintf("on %s: %s", h, p.Reason))
		}
	}
}

// NewsEvent is a stage on one of many hosts as those who follow see it.
func NewsEvent(app string, now time.Time, n cluster.News) Event {
	s := deploy.StageRecord{Name: n.Stage.Name, Title: n.Stage.Title, Result: n.Stage.Result, Note: n.Stage.Note, Output: n.Stage.Output, Began: now.Add(-n.Stage.Took)}
	if s.Result != deploy.ResultRunning {
		s.Ended = now
	}
	ev := stageEvent(app, now, deploy.Told{Entry: &deploy.Entry{ID: n.Order}, Stage: &s})
	ev.Message = n.Host + ": " + ev.Message
	return ev
}

// deployPart carries out what this host has to do of a deploy on many.
func (d *Daemon) deployPart(ctx context.Context, t cluster.Task) {
	o := DeployOrder{App: t.Order.App, Ref: t.Order.Ref, Back: t.Order.Back, To: t.Order.To, Wait: true, By: t.Order.By, Order: t.Order.ID, part: &t}
	end, err := d.deploys.begin(o)
	if err != nil {
		t.End(ctx, cluster.Failed, "", err.Error())
		return
	}
	defer end()
	fail := func(err error) {
		if d.life.Err() != nil {
			return // the next daemon settles it, and says so
		}
		t.End(ctx, cluster.Failed, "", err.Error())
	}
	if !t.First {
		commit, err := t.Commit(ctx)
		if err != nil {
			fail(err)
			return
		}
		o.Ref = commit
		if (t.Late || t.Order.Back) && d.core.deployed(o.App) == commit {
			t.End(ctx, cluster.Done, commit, "")
			return
		}
		if o.Back {
			o.To, o.Back = d.core.goodOf(o.App, commit)
		}
	}
	results, err := d.operations().Deploy(ctx, o, nil)
	if err != nil {
		fail(err)
		return
	}
	r := results[0]
	switch e := r.Deploy; {
	case d.life.Err() != nil:
	case e.Result == deploy.ResultOK: // it serves, whatever was left undone
		t.End(ctx, cluster.Done, e.Commit, e.Reason)
	default:
		t.End(ctx, cluster.Failed, e.Commit, e.Reason)
	}
}

// deployed is the commit that should serve of an app; empty: none.
func (c *core) deployed(app string) string {
	if cur, _, _, err := c.Store.Book(app).Current(); err == nil && cur != nil {
		return cur.Commit
	}
	return ""
}

// nowCalled is the app of the directory that one is now that it no longer names, and whose last
// deploy was that, by the logbooks of this host; empty: none. gone: no spec can be about it.
func (c *core) nowCalled(o cluster.Order, commit string) (heir string, gone bool) {
	all := c.Dir.Everywhere()
	if all[o.App] != nil || !c.Gone(o.App) {
		return "", false
	}
	formers := c.Store.Formers(all, func(app string, _ *state.AppState) bool { return c.Gone(app) })
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if formers[name] == o.App {
			return name, false
		}
		if all[name].Deploy == nil {
			continue
		}
		if cur, _, _, err := c.Store.Book(name).Current(); err == nil && cur != nil && cur.Deploy == o.ID && cur.Commit == commit {
			return name, false // it has its logbook already
		}
	}
	set, err := c.Dir.Snapshot()
	return "", err == nil && set != nil && len(set.Faults) == 0
}

// goodOf finds a deploy that has brought a commit here; is is false where there is none.
func (c *core) goodOf(app, commit string) (id string, is bool) {
	es, _ := c.Store.Book(app).List()
	i := slices.IndexFunc(es, func(e *deploy.Entry) bool { return e.Good() && e.Commit == commit })
	if i < 0 {
		return "", false
	}
	return es[i].ID, true
}

// finished is the entry of a part that an earlier process has begun, and that was settled
// since; nil: it is to be done.
func (o DeployOrder) finished(es []*deploy.Entry) *deploy.Entry {
	if o.part == nil || !o.part.Resumed {
		return nil
	}
	i := slices.IndexFunc(es, func(e *deploy.Entry) bool { return e.Order == o.Order && e.Result != deploy.ResultRunning })
	if i < 0 {
		return nil
	}
	return es[i]
}

// join has a deploy wait for other hosts, and tell them of itself.
func (o DeployOrder) join(ctx context.Context, d *deploy.Deployer) {
	t := o.part
	d.ID = t.Order.ID
	d.Turn = func(ctx context.Context, s deploy.Step, e *deploy.Entry) (string, error) {
		switch {
		case s.Stage != nil && s.Before() && !s.Stage.EachHost:
			if t.Order.Back {
				return "not run in a rollback", nil // it makes a release that this host lacks
			}
			return t.Turn(ctx, cluster.Moment{Once: s.Name}, e.Commit)
		case s.Name == deploy.StageRollout:
			return t.Turn(ctx, cluster.Moment{Rollout: true}, e.Commit)
		}
		return "", nil
	}
	d.Tell = func(told deploy.Told) {
		s := told.Stage
		p := cluster.PartStage{Name: s.Name, Title: s.Title, Result: s.Result, Took: s.Took(), Note: s.Note}
		if s.Result == deploy.ResultFailed {
			p.Output = words.LastLines(s.Output, 20)
		}
		t.Tell(ctx, told.Entry.Commit, p)
	}
}

// agree has the hosts of a fleet of many machines hold the same texts for an app; nil:
// this host is alone.
func (p *operations) agree(app string) func(ctx context.Context, name, mine, instead string) (string, error) {
	c := p.core.opts.Cluster
	if c == nil {
		return nil
	}
	return func(ctx context.Context, name, mine, instead string) (string, error) {
		return c.Agree(ctx, app+"/"+name, mine, instead)
	}
}
