package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

// A daemon that deploys may be killed, or executed anew, while a command waits for it.
// The order has a name by which the command finds its deploy at the next daemon, which
// ends what was left in the middle: Follow tells the stages that the command has not
// heard of, and the result. An order of which no logbook knows never began, and is
// given again.

const (
	// EventWaits is the state of an event that says what a command waits for.
	EventWaits = "waits"

	// followEvery is how often Follow looks into the logbook.
	followEvery = 100 * time.Millisecond
	// nextDaemon is how long a command waits for a daemon in the place of one that has
	// gone: a service manager takes seconds, and apps are looked at first.
	nextDaemon = time.Minute
	// fruitless is how often in a row a daemon may go without having told anything.
	fruitless = 5
)

// errNoOrder is of Follow: no deploy was begun on that order.
var errNoOrder = errors.New("cannot follow the deploy: it has not begun")

// againError says that an order was not begun, and may be given again in a moment.
type againError struct{ text string }

func (e *againError) Error() string { return e.text }

// Follow waits for the end of the deploy that was begun on an order. Of its events the
// first ones were told already.
func (p *operations) Follow(ctx context.Context, app, order string, told int, progress func(Event)) ([]Result, error) {
	if _, _, err := p.choose(ctx, "follow the deploy of", []string{app}); err != nil {
		if _, unknown := errors.AsType[*UnknownAppError](err); unknown || ctx.Err() != nil {
			return nil, err
		}
	}
	if c := p.core.opts.Cluster; c != nil {
		if known, err := c.Ordered(ctx, app, order); err != nil || known {
			if err != nil {
				return nil, err
			}
			return p.deployEverywhere(ctx, DeployOrder{App: app, Order: order}, told, progress)
		}
	}
	book := p.core.Store.Book(app)
	es, err := book.List()
	i := slices.IndexFunc(es, func(e *deploy.Entry) bool { return order != "" && e.Order == order })
	if i < 0 {
		return nil, errors.Join(err, errNoOrder)
	}
	for e := es[i]; ; {
		all := stagesTold(e, p.core.Now())
		for _, ev := range all[min(told, len(all)):] {
			progress(ev)
			told++
		}
		if e.Result != deploy.ResultRunning {
			return []Result{p.deployed(ctx, e)}, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-p.life.Done():
			return nil, p.ends(DeployOrder{App: app})
		case <-time.After(followEvery):
		}
		if e, err = book.Entry(e.ID); err != nil {
			return nil, err
		}
	}
}

// stagesTold are the events of a deploy, as they were told when it went on.
func stagesTold(e *deploy.Entry, now time.Time) []Event {
	var out []Event
	for _, s := range e.Stages {
		begins := s
		begins.Ended, begins.Result, begins.Note, begins.Output = time.Time{}, deploy.ResultRunning, "", ""
		out = append(out, stageEvent(e.App, now, deploy.Told{Entry: e, Stage: &begins}))
		if !s.Ended.IsZero() {
			out = append(out, stageEvent(e.App, now, deploy.Told{Entry: e, Stage: &s}))
		}
	}
	return out
}

// deployed is the result of a deploy that has ended.
func (p *operations) deployed(ctx context.Context, e *deploy.Entry) Result {
	set, setErr := p.core.Dir.Snapshot()
	w := plan.Wanted(set, setErr, e.App, p.core.Store.Load(e.App).LastGood)
	r := p.core.outcomeNow(ctx, e.App, p.daemon() != nil)
	r.Deploy, r.OK, r.Reason = e, e.Result == deploy.ResultOK, e.Reason
	if w.Spec == nil {
		return r
	}
	r.reached(w.Spec, p.core.Dir.Front(set))
	if r.OK && e.Reason != "" {
		// What was left undone is a failure where it is the spec's, see Deployer.failed.
		if r.OK = e.Whole(w.Spec.Deploy); r.OK {
			r.Warnings, r.Reason = append(r.Warnings, e.Reason), ""
		}
	}
	return r
}

// Deploy see Operator. It outlives the daemon that it has asked.
func (c *Client) Deploy(ctx context.Context, o DeployOrder, progress func(Event)) ([]Result, error) {
	if progress == nil {
		progress = func(Event) {}
	}
	o.Order = rand.Text()
	told, idle := 0, 0
	count := func(ev Event) {
		if ev.Stage != nil {
			told++
		}
		idle = 0
		progress(ev)
	}
	note := func(text string) {
		progress(Event{At: time.Now(), App: o.App, State: EventWaits, Message: text})
	}
	ask := c.order
	for waits, following := false, false; ; {
		results, err := ask(ctx, o, told, count)
		if err == nil || ctx.Err() != nil {
			return results, err
		}
		lost, isLost := errors.AsType[*lostError](err)
		_, isAgain := errors.AsType[*againError](err)
		switch {
		case errors.Is(err, errNoOrder) && told == 0:
			ask = c.order
			continue
		case isAgain && (o.Wait || following):
			if !waits {
				note(err.Error())
			}
			waits, idle = true, 0
		case isLost && idle < fruitless:
			note(lost.Error() + "; waiting for the next one")
			ask, following = c.follow, true
			idle++
		default:
			return nil, err
		}
		if !c.reconnect(ctx, nextDaemon) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if isAgain {
				return nil, err
			}
			return nil, fmt.Errorf("cannot %s %s: %w, and no other one answers; the next one ends what was begun: wsgid-fleet deploys %s", o.Verb(), o.App, err, o.App)
		}
	}
}

func (c *Client) order(ctx context.Context, o DeployOrder, _ int, progress func(Event)) ([]Result, error) {
	return c.command(ctx, "deploy?"+url.Values{"order": {o.Order}}.Encode(), command{Deploy: &o}, progress)
}

func (c *Client) follow(ctx context.Context, o DeployOrder, told int, progress func(Event)) ([]Result, error) {
	resp, err := c.do(ctx, http.MethodGet, "/v1/deploy?"+url.Values{"app": {o.App}, "order": {o.Order}, "told": {strconv.Itoa(told)}}.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return c.lines(resp, progress)
}

// reconnect waits for a daemon that answers, for that long.
func (c *Client) reconnect(ctx context.Context, limit time.Duration) bool {
	for end := time.Now().Add(limit); ; {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(lockRetry):
		}
		if next, err := dial(ctx, c.path); err == nil {
			c.http.CloseIdleConnections()
			c.daemon, c.http = next.daemon, next.http
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}
