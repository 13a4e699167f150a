package pool

import (
	"cmp"
	"fmt"
	"maps"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Status is the pool's part of a Status.
func (p *Pool) Status() control.Status {
	st := control.Status{Version: p.version, Min: p.min, Max: p.max, Restarts: p.restarts, LastError: p.lastErr,
		Traceback: p.trace, RolloutError: p.rollErr, Loaded: p.loaded, Workers: []control.WorkerInfo{}}
	if p.roll != nil {
		st.Rollout = p.roll.gen
	}
	if p.stem != nil {
		st.Stem, st.Unforked = p.stem.pid, p.unfit
	} else if p.Unforked != "" {
		st.Unforked = cmp.Or(p.unfit, p.Unforked)
	}
	if text := p.shares[p.gen]; text != "" {
		st.Warnings = append(st.Warnings, text)
	}
	st.Health = p.health.last
	st.Scaled = p.scaler.reason
	serving := 0
	for _, w := range p.workers {
		if w.pid == 0 {
			continue
		}
		if w.life.serves() {
			serving++
		}
		st.Workers = append(st.Workers, w.info(p.loop, appdir.ResidentSize(w.pid)))
	}
	st.State, st.Reason = p.stateWith(serving)
	st.Next = p.nextStep(st.State, serving)
	if p.retry.IsSet() {
		st.RetryAt = p.loop.Wall(p.retry.At()).Round(time.Millisecond)
	}
	st.Requests = control.RequestCounts{Total: p.stats.total, Errors: p.stats.errors, Waiting: p.queue.n, Active: p.stats.active,
		Rejected: p.stats.rejected, Timeouts: p.stats.timeouts}
	st.Requests.P50, st.Requests.P99 = p.stats.quantiles(p.loop.Now())
	st.Requests.PerSecond = p.stats.rate(p.loop.Now())
	st.Counters = p.stats.counters()
	if s := p.static; s != nil {
		st.Requests.Static = s.total
		st.Counters.Static, st.Counters.StaticBytes = maps.Clone(s.codes), s.bytes
	}
	st.LogError, st.LogLost = p.log.Status()
	return st
}

// explain keeps why a worker could not start, for whoever asks.
func (p *Pool) explain(f *wsgi.Failure) {
	p.lastErr, p.hint, p.trace = f.Summary(), f.Hint, f.Details()
}

// nextStep is what to do about the reason that stateWith gives.
func (p *Pool) nextStep(state control.State, serving int) string {
	switch {
	case state != control.StateBackoff && state != control.StateDegraded:
		return ""
	case serving > 0 && p.rollErr != "":
		return p.rollHint
	case p.back.Failing():
		return p.hint
	}
	return ""
}

// stateWith says what the app is, and why if it is not well.
func (p *Pool) stateWith(serving int) (control.State, string) {
	short := func() string { return fmt.Sprintf("%d of %d workers are ready", serving, p.target()) }
	switch {
	case p.stopping:
		return control.StateStopping, "draining"
	case serving == 0 && p.retry.IsSet():
		return control.StateBackoff, fmt.Sprintf("%s; next try in %v", p.lastErr, p.retryIn().Round(time.Second))
	case serving == 0 && p.back.Failing() && p.lastErr != "":
		return control.StateBackoff, p.lastErr + "; trying again now"
	case serving == 0 && p.target() == 0:
		return control.StateIdle, "no request needs a worker"
	case serving == 0:
		return control.StateStarting, short()
	case p.rollErr != "":
		return control.StateDegraded, "the previous workers keep serving, the rollout was abandoned: " + p.rollErr
	case serving < p.target() && p.back.Failing() && p.lastErr != "":
		return control.StateDegraded, short() + ": " + p.lastErr
	case p.roll != nil:
		return control.StateUpdating, "a rollout is in progress"
	case serving < p.target() && serving >= p.min:
		return control.StateReady, short() // the load asked for more than the spec's least
	case serving < p.target() && p.growing:
		return control.StateUpdating, short()
	case serving < p.target():
		return control.StateStarting, short()
	case p.outgrown.reason != "":
		return control.StateDegraded, p.outgrown.reason
	default:
		return control.StateReady, ""
	}
}
