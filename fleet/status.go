package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/bridge"
)

// status composes the actual and the desired state of all apps.
func (c *core) status(ctx context.Context, daemon *DaemonStatus) *Status {
	set, setErr := c.Dir.Snapshot()
	front := c.Dir.Front(set)
	st := c.compose(set, setErr, c.Dir.Names(), func(name string) AppStatus {
		a, _ := c.appNow(ctx, name, front, daemon != nil)
		return a
	})
	st.Daemon, st.Warnings = daemon, append(sharedUsers(set), c.away()...)
	return st
}

// appNow is the status of one app. It is still if no time that goes by changes it:
// there is no master to be asked, and nothing is waited for.
func (c *core) appNow(ctx context.Context, name string, front *appspec.Spec, daemon bool) (a AppStatus, still bool) {
	w, o := c.Look(ctx, name)
	a = appStatus(w, o.Observed, daemon, c.Now())
	why := ""
	if w.Spec != nil && w.Spec.Enabled {
		a.certificates(w.Spec, c.Now())
		a.managed(c.Store.CertificatesDir(), specdir.ManagedHosts(w.Spec, front), daemon, c.Now())
		if why = unreached(w.Spec, front); why != "" {
			a.Warnings = append(slices.Clip(a.Warnings), why)
		}
	}
	return a, steady(w, o.Observed) && len(a.Certificates) == 0 && why == ""
}

// compose makes the status of the fleet of those of its apps.
func (c *core) compose(set *hclspec.Set, setErr error, all []string, app func(name string) AppStatus) *Status {
	st := &Status{Version: c.opts.Version, Apps: make([]AppStatus, len(all))}
	var looks errgroup.Group
	looks.SetLimit(16)
	for i, name := range all {
		looks.Go(func() error { st.Apps[i] = app(name); return nil })
	}
	_ = looks.Wait()
	kept := st.Apps[:0]
	for _, a := range st.Apps {
		switch a.Name {
		case "":
		case appspec.GateName:
			st.Gate = gateStatus(a)
		default:
			kept = append(kept, a)
		}
	}
	st.Apps = kept
	st.Faults = orphanFaults(set, setErr, c.opts.Dir)
	return st
}

// certificates looks at the files that its spec names. One that
// clients refuse is a fault; one that expires soon is a word of warning.
func (a *AppStatus) certificates(spec *appspec.Spec, now time.Time) {
	for path, t := range hclspec.CertificatesOf(spec) {
		if spec.IsSensitive(path+".cert") || spec.IsSensitive(path+".key") {
			continue
		}
		expires, trouble := bridge.CheckCertificate(t.Cert, t.Key, now)
		c := CertificateStatus{Cert: t.Cert, Expires: expires}
		if trouble != nil {
			c.Problem = trouble.What + "; " + trouble.Next
			switch {
			case trouble.Soon && a.Reason == "":
				a.Reason = c.Problem
			case !trouble.Soon && !trouble.Unread && !strings.Contains(a.Reason, trouble.What):
				a.degrade(c.Problem)
			}
		}
		a.Certificates = append(a.Certificates, c)
	}
}

// orphanFaults are the faults that no app of the status shows.
func orphanFaults(set *hclspec.Set, setErr error, dir string) []hclspec.Fault {
	if setErr != nil {
		return []hclspec.Fault{{File: dir, Summary: setErr.Error(), Text: setErr.Error()}}
	}
	var out []hclspec.Fault
	for _, f := range set.Faults {
		if f.App == "" && (len(f.Apps) == 0 || set.DefaultsBroken) {
			out = append(out, f)
		}
	}
	return out
}

// appStatus puts one app into the words of status. It is pure. An app that is
// gone without a trace has no name.
func appStatus(w plan.Want, o plan.Observed, daemon bool, now time.Time) AppStatus {
	a := AppStatus{Name: o.App, Workers: []runner.WorkerInfo{}, Sockets: []SocketStatus{}}
	spec := w.Spec
	if spec == nil {
		spec = o.LastGood
	}
	if spec != nil {
		a.Path, a.File, a.Environment = spec.Path, spec.File, spec.Environment
		a.Desired = state.Desired{Min: spec.Workers.Min, Max: spec.Workers.Max}
		a.Sockets = socketsOf(spec)
		a.Release = spec.Release
	} else if w.Fault != nil {
		a.File = w.Fault.File
	}
	digest := ""
	if w.Spec != nil && (len(o.Masters) > 0 || o.Failure != nil || o.Override.Scale != nil) { // else nothing is compared with it
		digest = runner.Digest(w.Spec)
		if s := o.Override.Scale; s != nil && o.Override.Digest == digest {
			a.Desired = *s
		}
	}
	if o.Applied != nil {
		a.Generation = o.Applied.Generation
	}
	cur, draining := o.Current(digest)
	if cur != nil {
		a.fill(*cur)
		if o.Override.Scale == nil && cur.Digest() == digest {
			a.signalled(cur.Status)
		}
	}
	f := o.Failure
	if f != nil && f.Digest != digest {
		f = nil
	}
	if f != nil && a.LastError == "" {
		a.LastError = f.Reason
	}
	switch {
	case w.Invalid != "" && cur == nil:
		a.State, a.Reason = StateInvalid, w.Invalid
	case w.Invalid != "":
		a.degrade(w.Invalid)
	case w.Spec == nil && w.Waiting != "":
		a.State, a.Reason = StateWaiting, waitsFor(o.App, w.Waiting)
	case w.Spec == nil && len(o.Masters) == 0:
		return AppStatus{}
	case w.Spec == nil && o.Successor != "" && !o.SuccessorFails:
		a.State, a.Reason = StateStopped, "its spec was removed; it serves until app "+o.Successor+", which takes its place, does"
	case w.Spec == nil && o.Successor != "":
		a.State, a.Reason = string(runner.StateDegraded), "its spec was removed; it serves until app "+o.Successor+", which takes its place, can be started"
	case w.Spec == nil:
		a.State, a.Reason = StateStopped, "its spec was removed; draining"
	case !w.Spec.Enabled:
		a.ended(StateDisabled, "enabled = false", len(o.Masters))
	case o.Override.Stopped:
		a.ended(StateStopped, "stopped by an operator; start it with: wsgid-fleet start "+o.App, len(o.Masters))
	case plan.NotDeployed(w.Spec, o):
		a.ended(StateStopped, plan.NotDeployedText(o.App), len(o.Masters))
	case cur == nil && f == nil && len(o.Awaited) > 0:
		a.State, a.Reason = string(runner.StateIdle), "no master runs; the first connection starts it"
	case cur == nil:
		a.absent(f, draining, daemon, now)
	case f != nil && f.RetryAt.IsZero():
		a.degrade(f.Reason)
	case cur.Digest() != digest && cur.Status.WantDigest == digest:
		// The master has it: what it says of its rollout is what there is to say.
	case cur.Digest() != digest:
		a.pending(f, daemon, now)
	case f != nil:
		a.degrade(retryText(f, daemon, now))
	}
	a.Next = a.next(w, f, cur)
	a.Warnings = append(slices.Clip(a.Warnings), o.Corrupt...)
	a.Waiting = w.Waiting
	if why := w.Stays(); why != "" && servingState(runner.State(a.State)) {
		a.degrade(why)
	}
	if w.Held != "" {
		// An app that is down on purpose is as specified by its last good spec,
		// but the directory does not say so any more.
		a.degrade("runs on its last good spec: " + w.Held)
	}
	return a
}

// fill takes over what the master tells.
func (a *AppStatus) fill(m plan.Master) {
	a.Generation = m.LastGeneration()
	a.Master = &MasterStatus{PID: m.PID, Since: m.Since, RSS: m.Status.RSS, Stem: m.Status.Stem, Unforked: m.Status.Unforked}
	if m.Err != nil {
		a.State = string(runner.StateDegraded)
		a.Reason = fmt.Sprintf("its master (pid %d) does not answer: %v", m.PID, m.Err)
		return
	}
	s := m.Status
	a.State, a.Reason = string(s.State), s.Reason
	if s.Workers != nil {
		a.Workers = s.Workers
	}
	a.Processes, a.Schedules = s.Processes, s.Schedules
	a.Requests, a.Restarts, a.LastError = s.Requests, s.Restarts, s.LastError
	a.gate = s.Gate
	a.Health, a.Scaled, a.LogError, a.Warnings = s.Health, s.Scaled, s.LogError, s.Warnings
	if s.RolloutError != "" {
		a.degrade(s.RolloutError)
	}
}

// signalled takes over the numbers of workers that signals have made others than the spec's:
// what was ordered of the master is what should run.
func (a *AppStatus) signalled(s runner.Status) {
	is := state.Desired{Min: s.Min, Max: s.Max}
	if s.Max == 0 || is == a.Desired {
		return // no answer, a gate, or what the spec says
	}
	a.Warnings = append(slices.Clip(a.Warnings), fmt.Sprintf("signals (TTIN, TTOU) have made it %s, where its spec says %s; so it stays until the spec changes or the master ends",
		workersText(is), workersText(a.Desired)))
	a.Desired = is
}

func workersText(d state.Desired) string {
	if d.Min == d.Max {
		return words.Count(d.Max, "worker")
	}
	return fmt.Sprintf("%d to %d workers", d.Min, d.Max)
}

// degrade notes a fault of an app that serves; one that does not is worse off
// already, and the fault is added to its reason.
func (a *AppStatus) degrade(why string) {
	switch a.State {
	case string(runner.StateBackoff), StateStopped, StateDisabled, StateInvalid:
		if !strings.Contains(a.Reason, why) {
			a.Reason = joinReasons(a.Reason, why)
		}
	default:
		if a.State != string(runner.StateDegraded) || a.Reason == "" {
			a.Reason = why
		} else if !strings.Contains(a.Reason, why) {
			a.Reason = joinReasons(why, a.Reason)
		}
		a.State = string(runner.StateDegraded)
	}
}

// update notes a change of an app that is well; of one that is not, it is added
// to the reason.
func (a *AppStatus) update(what string) {
	switch a.State {
	case string(runner.StateReady), string(runner.StateIdle), string(runner.StateUpdating):
		a.State, a.Reason = string(runner.StateUpdating), what
	default:
		a.Reason = joinReasons(a.Reason, what)
	}
}

func joinReasons(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

func (a *AppStatus) ended(state, why string, masters int) {
	a.State, a.Reason = state, why
	if masters > 0 {
		a.Reason += "; draining"
	}
}

// absent: it should run, and no master does.
func (a *AppStatus) absent(f *state.Failure, draining, daemon bool, now time.Time) {
	switch {
	case f != nil:
		a.State, a.Reason = string(runner.StateBackoff), retryText(f, daemon, now)
	case daemon:
		a.State = string(runner.StateStarting)
		if draining {
			a.Reason = "its old master drains"
		}
	default:
		a.State = string(runner.StateBackoff)
		a.Reason = "it is not running, and no daemon is running to start it; start it with: wsgid-fleet apply " + a.Name
	}
}

// pending: the master runs an older spec.
func (a *AppStatus) pending(f *state.Failure, daemon bool, now time.Time) {
	switch {
	case f != nil:
		a.degrade(retryText(f, daemon, now))
	case daemon:
		a.update("its spec changed; the change is being carried out")
	default:
		a.degrade("its spec changed, and no daemon is running to carry it out; do it with: wsgid-fleet apply " + a.Name)
	}
}

func retryText(f *state.Failure, daemon bool, now time.Time) string {
	switch {
	case f.RetryAt.IsZero():
		return f.Reason
	case !daemon:
		return f.Reason + "; no daemon is running to try again"
	case f.Wait(now) > 0:
		return fmt.Sprintf("%s; next try in %s (attempt %d)", f.Reason, words.RoundUp(f.Wait(now)), f.Attempts+1)
	default:
		return fmt.Sprintf("%s; being tried again (attempt %d)", f.Reason, f.Attempts+1)
	}
}

func socketsOf(spec *appspec.Spec) []SocketStatus {
	out := make([]SocketStatus, 0, len(spec.Sockets.HTTP)+len(spec.Sockets.Mongrel2))
	for _, s := range spec.Sockets.HTTP {
		if !s.Adopts {
			out = append(out, SocketStatus{Kind: "http", Listen: s.Listen})
		}
	}
	for _, h := range spec.Hosts {
		out = append(out, SocketStatus{Kind: "host", Listen: h})
	}
	for _, s := range spec.Sockets.Mongrel2 {
		out = append(out, SocketStatus{Kind: "mongrel2", Recv: s.Recv, Send: s.Send})
	}
	return out
}
