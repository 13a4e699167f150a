package fleet

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/bridge"
)

// status composes what runs against what should (contract, section 4).
func (e *engine) status(ctx context.Context, daemon *DaemonStatus) *Status {
	set, setErr := e.snapshot()
	front := e.front(set)
	st := e.compose(set, setErr, e.names(), func(name string) AppStatus {
		a, _ := e.appNow(ctx, name, front, daemon != nil)
		return a
	})
	st.Daemon, st.Warnings = daemon, sharedUsers(set)
	return st
}

// appNow is the status of one app. It is still if no time that goes by changes it:
// there is no master to be asked, and nothing is waited for.
func (e *engine) appNow(ctx context.Context, name string, front *appspec.Spec, daemon bool) (a AppStatus, still bool) {
	w, o := e.look(ctx, name)
	a = appStatus(w, o.Observed, daemon, e.now())
	if w.Spec != nil && w.Spec.Enabled {
		a.certificates(w.Spec, e.now())
		a.managed(e.store.CertificatesDir(), managedHosts(w.Spec, front), daemon, e.now())
	}
	return a, steady(w, o.Observed) && len(a.Certificates) == 0
}

// compose makes the status of the fleet of those of its apps.
func (e *engine) compose(set *hclspec.Set, setErr error, all []string, app func(name string) AppStatus) *Status {
	st := &Status{Version: e.opts.Version, Apps: make([]AppStatus, len(all))}
	parallel(len(all), 16, func(i int) { st.Apps[i] = app(all[i]) })
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
	st.Faults = orphanFaults(set, setErr, e.opts.Dir)
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

// appStatus puts one app into the contract's words. It is pure. An app that is
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
	if w.Spec != nil {
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
	case w.Spec == nil:
		a.State, a.Reason = StateStopped, "its spec is gone; it drains"
	case !w.Spec.Enabled:
		a.ended(StateDisabled, "enabled = false", len(o.Masters))
	case o.Override.Stopped:
		a.ended(StateStopped, "stopped by an operator; it starts by: wsgid-fleet start "+o.App, len(o.Masters))
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
	a.Warnings = append(slices.Clip(a.Warnings), o.Corrupt...)
	a.Waiting = w.Waiting
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
	a.Master = &MasterStatus{PID: m.PID, Since: m.Since, RSS: m.Status.RSS, Stem: m.Status.Stem}
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
		a.Reason += "; it drains"
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
		a.Reason = "it is not running, and no daemon runs that would start it; start it by: wsgid-fleet apply " + a.Name
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
		a.degrade("its spec changed, and no daemon runs that would carry it out; do it by: wsgid-fleet apply " + a.Name)
	}
}

func retryText(f *state.Failure, daemon bool, now time.Time) string {
	switch {
	case f.RetryAt.IsZero():
		return f.Reason
	case !daemon:
		return f.Reason + "; no daemon runs that would try again"
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

// statusOrder is the order in which the line of the service manager counts.
var statusOrder = []string{
	string(runner.StateReady), string(runner.StateUpdating), string(runner.StateIdle), string(runner.StateStarting),
	string(runner.StateDegraded), string(runner.StateBackoff), StateInvalid, StateStopped, StateDisabled, StateWaiting,
}

// StatusLine is the fleet in one line: "12 apps: 11 ready, 1 backoff (blog:
// ImportError …)". The app in brackets is the worst off, first by name.
func StatusLine(st *Status) string {
	counts := map[string]int{}
	var worst *AppStatus
	for i := range st.Apps {
		a := &st.Apps[i]
		counts[a.State]++
		switch t := trouble(a.State); {
		case t == 0:
		case worst == nil, t > trouble(worst.State), t == trouble(worst.State) && a.Name < worst.Name:
			worst = a
		}
	}
	noun := "apps"
	if len(st.Apps) == 1 {
		noun = "app"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", len(st.Apps), noun)
	sep := ": "
	for _, s := range statusOrder {
		if counts[s] == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s%d %s", sep, counts[s], s)
		sep = ", "
	}
	switch {
	case worst != nil && worst.Reason != "":
		fmt.Fprintf(&b, " (%s: %s)", worst.Name, shorten(firstLine(worst.Reason), 120))
	case worst == nil && len(st.Faults) > 0:
		fmt.Fprintf(&b, " (%s)", shorten(firstLine(st.Faults[0].Summary), 120))
	}
	return b.String()
}

// trouble ranks the states that an operator must look at.
func trouble(state string) int {
	switch state {
	case string(runner.StateBackoff):
		return 3
	case StateInvalid:
		return 2
	case string(runner.StateDegraded):
		return 1
	}
	return 0
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// parallel calls f for 0…n-1, at most limit at a time, and waits.
func parallel(n, limit int, f func(int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, limit) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// unknownApps names those that nobody knows, with a near name where there is one.
func unknownApps(dir, verb string, asked, all []string) error {
	for _, a := range asked {
		if i := sort.SearchStrings(all, a); i < len(all) && all[i] == a {
			continue
		}
		hint := ""
		if n := nearest(a, all); n != "" {
			hint = fmt.Sprintf("; did you mean %s?", n)
		}
		return &UnknownAppError{text: fmt.Sprintf("cannot %s app %s: no spec in %s names it%s", verb, a, dir, hint)}
	}
	return nil
}

// UnknownAppError tells that a command names an app that does not exist.
type UnknownAppError struct{ text string }

func (e *UnknownAppError) Error() string { return e.text }

// nearest finds the name within two slips of the keyboard.
func nearest(name string, all []string) string {
	best, found := 3, ""
	for _, a := range all {
		if d := slips(name, a); d < best {
			best, found = d, a
		}
	}
	return found
}

// slips counts the single-letter edits between two words (Levenshtein).
func slips(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, diag+1, row[j]+1)
		}
	}
	return row[len(b)]
}
