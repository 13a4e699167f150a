package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

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
