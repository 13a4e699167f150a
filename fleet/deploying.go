package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
)

// DeployOrder is what an operator wants deployed.
type DeployOrder struct {
	App string `json:"app"`
	// Ref is deployed instead of the spec's commit: a tag or an object id; empty:
	// what the spec says.
	Ref string `json:"ref,omitempty"`
	// Back goes to an earlier release instead: that of the deploy To, or the one
	// before the current.
	Back bool   `json:"back,omitempty"`
	To   string `json:"to,omitempty"`
	Wait bool   `json:"wait,omitempty"` // for another deploy of the app to end
	By   string `json:"by,omitempty"`   // who asks
}

// Verb is what is asked for, as messages say it.
func (o DeployOrder) Verb() string {
	if o.Back {
		return "roll back"
	}
	return "deploy"
}

// lockRetry is how often a deploy that waits for another one looks.
const lockRetry = 200 * time.Millisecond

// Deploy brings an app's code here and rolls it out, or goes back to an earlier
// release. A context that ends asks it to stop at the next point where nothing is
// touched yet.
func (p *operations) Deploy(ctx context.Context, o DeployOrder, progress func(Event)) ([]Result, error) {
	_, set, err := p.choose(ctx, o.Verb(), []string{o.App})
	if err != nil {
		return nil, err
	}
	rem := p.e.store.Recall(o.App)
	w := wanted(set, nil, o.App, rem.LastGood)
	switch {
	case w.Invalid != "":
		return nil, fmt.Errorf("cannot %s %s: %s", o.Verb(), o.App, w.Invalid)
	case w.Spec == nil:
		return nil, fmt.Errorf("cannot %s %s: its spec is gone", o.Verb(), o.App)
	case w.Spec.Deploy == nil:
		return nil, fmt.Errorf("cannot %s %s: it has no deploy block in %s; say where its code is: deploy { repository = \"…\" }", o.Verb(), o.App, w.Spec.File)
	case !w.Spec.Enabled:
		return nil, fmt.Errorf("cannot %s %s: enabled = false in %s", o.Verb(), o.App, w.Spec.File)
	case rem.Override.Stopped:
		return nil, fmt.Errorf("cannot %s %s: it is stopped; start it first: wsgid-fleet start %s", o.Verb(), o.App, o.App)
	}
	book := p.e.store.book(o.App)
	unlock, err := lockBook(ctx, book, o)
	if err != nil {
		return nil, err
	}
	defer unlock()
	// The asker's end is a wish to stop between two stages; our own stops it at once.
	work := p.life
	if err := p.settleDeploys(work, o.App); err != nil {
		return nil, err
	}
	// The folder is there, and what runs runs by its spec.
	if out := p.pass(work, o.App, order{}); out.err != nil && !isRejected(out.err) {
		return nil, fmt.Errorf("cannot %s %s: %w", o.Verb(), o.App, out.err)
	}
	spec := withoutRelease(w.Spec)
	owner, err := appdir.ResolveOwner(spec, os.Geteuid() == 0)
	if err != nil {
		return nil, fmt.Errorf("cannot %s %s: %w", o.Verb(), o.App, err)
	}
	var mask applog.Mask
	mask.Learn(spec)
	d := &deploy.Deployer{
		Book: book, Spec: spec, Owner: owner, By: o.By, Ref: o.Ref, Mask: mask.Text, Now: p.e.now,
		Rollout: func(ctx context.Context) error { return p.rollout(ctx, o.App) },
		InUse:   func(ctx context.Context) []string { return p.releasesInUse(ctx, o.App) },
		Tell: func(t deploy.Told) {
			if progress != nil {
				progress(stageEvent(o.App, p.e.now(), t))
			}
		},
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
	r := p.e.settleOnce(work, o.App, p.daemon() != nil)
	r.Deploy, r.URLs = entry, urls(spec)
	if err != nil {
		r.OK, r.Reason = false, err.Error()
		p.e.log.Error("deploy has failed", "app", o.App, "deploy", entry.ID, "reason", err.Error(), "next", "wsgid-fleet deploys show "+o.App+" "+entry.ID)
	} else {
		p.e.log.Info("deployed", "app", o.App, "deploy", entry.ID, "release", entry.Release, "commit", entry.Commit)
	}
	return []Result{r}, nil
}

// withoutRelease is a last good spec as the directory would have it.
func withoutRelease(spec *appspec.Spec) *appspec.Spec {
	if spec.Release == nil {
		return spec
	}
	s := *spec
	if strings.HasPrefix(s.Virtualenv, "venvs/") {
		s.Virtualenv = ""
	}
	s.Release = nil
	return &s
}

func lockBook(ctx context.Context, book *deploy.Book, o DeployOrder) (func(), error) {
	who := strings.TrimSpace(fmt.Sprintf("%s of %s since %s", o.Verb(), o.By, time.Now().UTC().Format(time.RFC3339)))
	for {
		unlock, err := book.Lock(who)
		var locked *deploy.LockedError
		if err == nil || !o.Wait || !errors.As(err, &locked) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(lockRetry):
		}
	}
}

// rollout brings the app to the release that the logbook says, and waits for it.
func (p *operations) rollout(ctx context.Context, app string) error {
	r := p.converge(ctx, app, order{Asked: Asked{Retry: true}})
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
func (p *operations) releasesInUse(ctx context.Context, app string) []string {
	var out []string
	add := func(s *appspec.Spec) {
		if s != nil && s.Release != nil {
			out = append(out, s.Release.ID)
		}
	}
	rem := p.e.store.Recall(app)
	add(rem.LastGood)
	if rem.Applied != nil {
		add(rem.Applied.Spec)
		add(rem.Applied.Before)
	}
	return out
}

// settleDeploys ends what a daemon or a command that was killed has left in the
// middle. Its caller holds the lock of the app's deploys.
func (p *operations) settleDeploys(ctx context.Context, app string) error {
	book := p.e.store.book(app)
	all, err := book.List()
	if err != nil {
		p.e.log.Warn(err.Error(), "app", app)
	}
	for _, e := range all {
		if e.Result != deploy.ResultRunning {
			continue // most: what serves need not be read for them
		}
		cur, before, _, err := book.Current()
		if err != nil {
			return err
		}
		switch deploy.Settle(e, cur) {
		case deploy.Leave:
			continue
		case deploy.GiveUp:
			e.Result, e.Reason = deploy.ResultInterrupted, "the process that did it was ended; nothing that serves was changed"
		case deploy.Finish:
			if rerr := p.rollout(ctx, app); rerr == nil {
				e.Result, e.Reason = deploy.ResultOK, "the process that did it was ended after the rollout had begun; it was finished later, and stages that run after the switch did not run"
				if err := p.finish(ctx, app, e); err != nil {
					e.Reason += "; " + err.Error()
				}
			} else {
				e.Result, e.Reason = deploy.ResultFailed, "the process that did it was ended in the rollout, and the release does not serve: "+rerr.Error()
				if err := book.SetCurrent(before, nil); err != nil {
					return err
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
			return err
		}
		p.e.log.Warn("an interrupted deploy was settled", "app", app, "deploy", e.ID, "result", e.Result, "reason", e.Reason)
	}
	return nil
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

// stageEvent is a stage as those who follow see it.
func stageEvent(app string, now time.Time, t deploy.Told) Event {
	s := *t.Stage
	ev := Event{At: now, App: app, State: s.Result, Message: s.Title, Stage: &s, Deploy: t.Entry.ID}
	switch {
	case s.Ended.IsZero() && t.Last >= time.Second:
		ev.Message += fmt.Sprintf(", it took %s last time", t.Last.Round(time.Second))
	case s.Ended.IsZero():
	case s.Result == deploy.ResultOK:
		ev.Message = fmt.Sprintf("%s: completed in %s", s.Name, shortly(s.Took()))
		if s.Note != "" {
			ev.Message += " (" + s.Note + ")"
		}
	default:
		ev.Message = s.Name + ": " + s.Result
	}
	return ev
}

// urls are where an app is reached, as far as its spec says.
func urls(spec *appspec.Spec) []string {
	var out []string
	for _, s := range spec.Sockets.HTTP {
		switch scheme, host := "http", s.Listen; {
		case strings.HasPrefix(s.Listen, "unix:"), strings.HasPrefix(s.Listen, "systemd:"):
			out = append(out, s.Listen)
		default:
			if s.TLS != nil {
				scheme = "https"
			}
			for _, all := range []string{"0.0.0.0:", "[::]:", "*:"} {
				if port, ok := strings.CutPrefix(host, all); ok {
					host = "localhost:" + port
				}
			}
			out = append(out, scheme+"://"+host)
		}
	}
	for _, s := range spec.Sockets.Mongrel2 {
		out = append(out, "the mongrel2 server at "+s.Recv)
	}
	return out
}

func shortly(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(10 * time.Millisecond)
}

// Deploys reads the logbooks of apps, of all without a name, the newest first.
func (p *operations) Deploys(ctx context.Context, apps []string) ([]*deploy.Entry, error) {
	chosen, _, err := p.choose(ctx, "list the deploys of", apps)
	if err != nil && len(chosen) == 0 {
		return nil, err
	}
	all := []*deploy.Entry{}
	for _, app := range chosen {
		es, err := p.e.store.book(app).List()
		if err != nil && len(es) == 0 {
			return nil, err
		}
		all = append(all, es...)
	}
	slices.SortStableFunc(all, func(a, b *deploy.Entry) int { return strings.Compare(b.ID, a.ID) })
	return all, nil
}

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
		if err := p.settleDeploys(ctx, app); err != nil {
			p.e.log.Error(err.Error(), "app", app)
		}
		unlock()
	}
}
