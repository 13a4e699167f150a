package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

// Why something is done, or nothing, as plan, status and log say it.
const (
	whyUnknown         = "its running processes cannot be determined now"
	whyRemoved         = "its spec was removed"
	whyDisabled        = "enabled = false"
	whyStopped         = "stopped by an operator"
	whyAsSpecified     = "as specified"
	whyFolderUnchecked = "the app folder cannot be checked"
	whyFolder          = "the app folder differs from the spec"
	whySurplus         = "another master already serves this app"
	whySleeps          = "its first connection starts it"
	whySleepBegins     = "workers.min is 0: its first connection starts it"
	whyNoMaster        = "no master runs"
	whyMasterDied      = "its master died"
	whyConnection      = "a connection arrived"
	whySpecUnknown     = "it runs a spec that is not known here"
	whyRestart         = "restart was asked for"
	whyReload          = "reload was asked for"
	whyStart           = "start was asked for"
	whyStartAgain      = "start was asked for, and its last rollout failed"
	whyCannotStart     = "its workers cannot start"
	whyRollout         = "a rollout is in progress"
	whyOtherSpec       = "another spec that was sent to it is no longer desired"
	whyFolderMoved     = "its app folder has changed: a link on its path was switched, or it was recreated"
)

func hangsText(m Master) string { return fmt.Sprintf("its master (pid %d) hangs", m.PID) }
func silentText(m Master) string {
	return fmt.Sprintf("its master (pid %d) does not answer: %v", m.PID, m.Err)
}
func sweptText(m Master) string {
	return fmt.Sprintf("its master (pid %d) does not answer any more: %v", m.PID, m.Err)
}
func idleText(spec *appspec.Spec) string {
	return fmt.Sprintf("no request in %s", spec.Workers.IdleTimeout)
}
func scaledText(to *state.Desired) string { return fmt.Sprintf("scaled to %s by an operator", to) }

func retryText(why string, wait time.Duration) string {
	return fmt.Sprintf("%s; next try in %s", why, words.RoundUp(wait))
}

func goneText(listens []string) string {
	return "its socket file " + strings.Join(listens, ", ") + " is gone"
}

func changesText(cs []appspec.Change) string {
	switch len(cs) {
	case 0:
		return "the spec changed"
	case 1:
		return cs[0].Path + " changes"
	case 2:
		return cs[0].Path + " and " + cs[1].Path + " change"
	default:
		return fmt.Sprintf("%s, %s and %d more change", cs[0].Path, cs[1].Path, len(cs)-2)
	}
}

// releaseText says what another release of the app is; empty: it is the same.
func releaseText(before, after *appspec.Spec) string {
	b, a := before.Release, after.Release
	if b.CodeDir() == a.CodeDir() {
		return ""
	}
	if after.Deploy != nil && after.Deploy.Install {
		return b.Step(a, "", "")
	}
	return b.Step(a, before.Virtualenv, after.Virtualenv)
}

// othersText are the changes beside that of a release.
func othersText(cs []appspec.Change) string {
	cs = slices.DeleteFunc(slices.Clone(cs), func(c appspec.Change) bool { return c.Path == "release" || c.Path == "virtualenv" })
	if len(cs) == 0 {
		return ""
	}
	return "; " + changesText(cs)
}

func fileOf(o Observed) string {
	if o.LastGood != nil {
		return o.LastGood.File
	}
	return ""
}

func pids(ms []Master) []string {
	var out []string
	for _, m := range ms {
		out = append(out, fmt.Sprintf("pid %d", m.PID))
	}
	return out
}
