package plan

import (
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// MakePlan decides what is to be done for one app. It is pure: everything it
// knows comes in, everything it wants comes out. A nil spec means that the app
// should not be. The actions are carried out in their order; the first error
// ends them, and the next plan begins from what is true then.
func MakePlan(spec *appspec.Spec, o Observed, now time.Time) AppPlan {
	p := &planner{AppPlan: AppPlan{App: o.App, Folder: o.Folder}, o: o, spec: spec, now: now}
	p.sort()
	switch {
	case o.Unknown != nil:
		if spec != nil {
			p.File = spec.File
		}
		p.Error, p.Why = o.Unknown.Error(), whyUnknown
	case spec == nil:
		p.File = fileOf(o)
		p.end(whyRemoved)
	case !spec.Enabled:
		p.File = spec.File
		p.repair()
		p.end(whyDisabled)
	case o.Override.Stopped:
		p.File = spec.File
		p.repair()
		p.end(whyStopped)
	case NotDeployed(spec, o):
		p.File = spec.File
		p.repair()
		p.end(NotDeployedText(spec.Name))
	default:
		p.File = spec.File
		p.repair()
		p.run()
		p.Upkeep = p.upkeep()
	}
	if len(p.Actions) == 0 && p.Why == "" {
		p.Why = whyAsSpecified
	}
	return p.AppPlan
}

type planner struct {
	AppPlan
	spec    *appspec.Spec
	o       Observed
	now     time.Time
	live    []Master // neither draining nor surplus, newest first
	leaving []Master // draining
}

func (p *planner) sort() {
	if p.spec != nil {
		p.Digest = runner.Digest(p.spec)
	}
	for _, m := range p.o.Masters {
		if m.IsDraining() {
			p.leaving = append(p.leaving, m)
		} else {
			p.live = append(p.live, m)
		}
	}
}

func (p *planner) act(kind ActionKind, why string, detail ...string) {
	p.Actions = append(p.Actions, Action{Kind: kind, Reason: why, Detail: detail})
	if kind != ActionRepair || p.Why == "" {
		p.Why = why
	}
}

func (p *planner) repair() {
	if p.o.FolderErr != nil {
		p.Error = p.o.FolderErr.Error()
		// The applier tries, fails with this very reason and comes back later.
		p.act(ActionRepair, whyFolderUnchecked, p.Error)
		return
	}
	if len(p.o.Problems) > 0 {
		p.act(ActionRepair, whyFolder, p.o.Problems...)
	}
}

// end stops whatever runs.
func (p *planner) end(why string) {
	if len(p.live) > 0 {
		p.Disruption = appspec.Replace
		p.act(ActionStop, why)
	} else if len(p.leaving) > 0 {
		p.Why = why + "; draining"
	} else if len(p.Actions) == 0 {
		p.Why = why
	}
}

// run brings the app to its spec.
func (p *planner) run() {
	held := p.failure()
	p.Held = held != ""
	if len(p.live) == 0 {
		if p.sleeps() {
			p.sleep()
		} else {
			p.start(held)
		}
		return
	}
	cur, surplus := p.choose()
	p.CurrentPID = cur.PID
	base := p.o.SpecOf(cur.Digest())
	if cur.Digest() != p.Digest {
		if base != nil {
			p.Changes = appspec.Diff(base, p.spec)
		}
		p.change(cur, base, held)
	} else {
		p.same(cur)
	}
	p.Done = cur.Digest() == p.Digest && cur.Err == nil && cur.Status.RolloutError == "" && len(p.Actions) == 0
	if len(surplus) > 0 && !p.has(ActionReplace) {
		p.act(ActionRetire, whySurplus, pids(surplus)...)
	}
	if !p.has(ActionReplace) {
		p.scale(cur)
	}
}

func (p *planner) replace(why string) {
	p.act(ActionReplace, why)
	p.Actions[len(p.Actions)-1].Scale = p.scaleWanted()
}

// failure returns why this very spec is not to be tried now; empty: try it.
func (p *planner) failure() string {
	f := p.o.Failure
	if f == nil || f.Digest != p.Digest || p.o.Request.byOperator() {
		return ""
	}
	if f.Folder != "" && p.o.Folder != "" && f.Folder != p.o.Folder {
		return "" // it failed in another app folder
	}
	if f.RetryAt.IsZero() {
		return f.Reason
	}
	if wait := f.Wait(p.now); wait > 0 {
		return retryText(f.Reason, wait)
	}
	return ""
}

// upkeep tells whether the actions do no more than the daemon does by itself for a spec
// that was applied, or that failed and is tried again.
func (p *planner) upkeep() bool {
	applied := p.o.Applied != nil && p.o.Applied.Digest == p.Digest
	if f := p.o.Failure; !applied && (f == nil || f.Digest != p.Digest || f.RetryAt.IsZero()) {
		return false
	}
	return !slices.ContainsFunc(p.Actions, func(a Action) bool { return !kinds[a.Kind].upkeep })
}

// sleeps: the app needs no master until somebody asks for it. One that could not
// be brought to its spec is started, to see whether it works now.
func (p *planner) sleeps() bool {
	if s := p.scaleWanted(); s != nil && s.Min > 0 {
		return false
	}
	f := p.o.Failure
	return p.o.CanSleep && maySleep(p.spec) && !p.o.Request.Wake && (f == nil || f.Digest != p.Digest)
}

// sleep has its sockets watched.
func (p *planner) sleep() {
	if len(p.o.Gone) > 0 && len(p.o.Awaited) > 0 { // else nobody has made it yet
		p.Disruption = appspec.Replace
		p.act(ActionListen, goneText(p.o.Gone))
		return
	}
	if slices.Equal(p.o.Awaited, ListensOf(p.spec)) {
		p.Why = whySleeps
		return
	}
	p.Disruption = appspec.Replace
	p.act(ActionListen, whySleepBegins)
}

func (p *planner) start(held string) {
	switch {
	case held == "":
		why := whyNoMaster
		if p.o.Request.Dead {
			why = whyMasterDied
		} else if p.o.Request.Wake {
			why = whyConnection
		}
		if p.o.Applied != nil && p.o.Applied.Digest != p.Digest {
			p.Changes = appspec.Diff(p.o.Applied.Spec, p.spec)
		}
		p.Disruption = appspec.Replace
		p.act(ActionStart, why)
		p.Actions[len(p.Actions)-1].Scale = p.scaleWanted()
	case p.o.Failure.RetryAt.IsZero() && p.o.Applied != nil && p.o.Applied.Digest != p.Digest:
		// The spec was tried and given up while the one before it served: that
		// one serves on.
		p.Disruption = appspec.Replace
		p.act(ActionStart, whyMasterDied+", and its new spec does not work: "+held)
		p.Actions[len(p.Actions)-1].Spec = p.o.Applied.Spec
	case p.o.Failure.RetryAt.IsZero():
		p.Disruption = appspec.Replace
		p.act(ActionStart, whyNoMaster)
	default:
		p.Why = held
	}
}

// choose picks the master that stands for the app: the newest that serves,
// else the newest. The others are surplus, but for one that is being started
// to replace the current one: ActionReplace takes it as the new master.
func (p *planner) choose() (cur Master, surplus []Master) {
	best := 0
	for i, m := range p.live {
		b := p.live[best]
		if rank(m, p.Digest) > rank(b, p.Digest) {
			best = i
		}
	}
	for i, m := range p.live {
		if i != best {
			surplus = append(surplus, m)
		}
	}
	return p.live[best], surplus
}

// change brings another spec to a master that runs.
func (p *planner) change(cur Master, base *appspec.Spec, held string) {
	kind := appspec.Replace
	why := whySpecUnknown
	if base != nil {
		kind = appspec.Kind(p.Changes)
		why = changesText(p.Changes)
		if text := releaseText(base, p.spec); text != "" {
			why = text + othersText(p.Changes)
		}
	}
	if cur.Hung {
		kind, why = appspec.Replace, hangsText(cur)+"; "+why
	} else if p.o.Request.Restart {
		kind, why = appspec.Replace, whyRestart+"; "+why
	} else if p.o.Request.Reload && kind < appspec.Rolling {
		kind, why = appspec.Rolling, whyReload+"; "+why
	}
	if around := p.disturbed(cur); around != "" && kind < appspec.Replace {
		kind, why = appspec.Replace, around+"; "+why
	}
	if held == "" {
		held = p.underWay(cur)
	}
	if held != "" {
		p.Why = held
		return
	}
	p.Disruption = kind
	switch kind {
	case appspec.Replace:
		p.replace(why)
	case appspec.Rolling:
		p.act(ActionRoll, why)
	case appspec.Live, appspec.Nothing:
		p.act(ActionUpdate, why)
		if p.o.Request.Retry && cur.Status.State == runner.StateBackoff {
			p.act(ActionRetry, whyCannotStart)
			p.Why = why
		}
	}
}

// underWay: the master has this spec already, and either rolls it out now or
// has given it up. That may have begun under another daemon.
func (p *planner) underWay(cur Master) string {
	st := cur.Status
	if cur.Err != nil || st.WantDigest != p.Digest || p.o.Request.byOperator() {
		return ""
	}
	if st.Rollout != 0 {
		return whyRollout
	}
	return st.RolloutError
}

// same carries out what was asked of an app that runs by its spec.
func (p *planner) same(cur Master) {
	disturbed := p.disturbed(cur)
	switch {
	case p.o.Request.Restart:
		p.Disruption = appspec.Replace
		p.replace(whyRestart)
	case disturbed != "" && p.Held:
		p.Why = p.failure()
	case disturbed != "":
		p.Disruption = appspec.Replace
		p.replace(disturbed)
	case p.o.Request.Reload:
		p.Disruption = appspec.Rolling
		p.act(ActionRoll, whyReload)
	case p.o.Request.Retry && cur.Err == nil && cur.Status.State == runner.StateBackoff:
		p.Disruption = appspec.Live
		p.act(ActionRetry, whyStart)
	case p.o.Request.Retry && cur.Err == nil && cur.Status.RolloutError != "" && !cur.HandedAnother(p.Digest):
		p.Disruption = appspec.Rolling
		p.act(ActionRoll, whyStartAgain)
	case cur.Swept:
		p.Disruption = appspec.Replace
		p.replace(sweptText(cur))
	case cur.Hung:
		p.Disruption = appspec.Replace
		p.replace(hangsText(cur))
	case cur.HandedAnother(p.Digest):
		p.Disruption = appspec.Live
		p.act(ActionUpdate, whyOtherSpec)
	case cur.Err == nil && cur.Status.Suspended && p.sleeps():
		p.Disruption = appspec.Live
		p.act(ActionRest, idleText(p.spec))
	case cur.Err != nil:
		p.Why = silentText(cur)
	}
}

// disturbed says what is wrong around a master that runs and that only another one
// can put right; empty: nothing.
func (p *planner) disturbed(cur Master) string {
	switch {
	case cur.Err != nil:
		return ""
	case cur.moved(p.o):
		return whyFolderMoved
	case len(p.o.Gone) > 0:
		return goneText(p.o.Gone)
	}
	return ""
}

// scaleWanted is what an operator ordered for this very spec; nil: nothing.
func (p *planner) scaleWanted() *state.Desired {
	if s := p.o.Override.Scale; s != nil && p.o.Override.Digest == p.Digest {
		return s
	}
	return nil
}

func (p *planner) scale(cur Master) {
	s := p.scaleWanted()
	if s == nil || cur.Err != nil || cur.Status.Min == s.Min && cur.Status.Max == s.Max {
		return
	}
	if p.Disruption < appspec.Live {
		p.Disruption = appspec.Live
	}
	p.act(ActionScale, scaledText(s))
	p.Actions[len(p.Actions)-1].Scale = s
}

func (p *planner) has(kind ActionKind) bool {
	for _, a := range p.Actions {
		if a.Kind == kind {
			return true
		}
	}
	return false
}
