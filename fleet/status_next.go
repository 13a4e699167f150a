package fleet

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// next is what to do about the state of an app, where its reason does not say that itself:
// about the fault of its spec, and about what keeps its code from being loaded. f is its
// failure by the spec that it should run, cur the master that it has; either may be nil.
func (a *AppStatus) next(w plan.Want, f *state.Failure, cur *plan.Master) string {
	switch a.State {
	case StateStopped, StateDisabled, StateWaiting:
		return faultNext(w.Fault)
	}
	load := ""
	switch {
	case f != nil:
		load = f.Next
	case cur != nil && cur.Err == nil:
		load = cur.Status.Next
	}
	fault := faultNext(w.Fault)
	if fault == "" || load == "" {
		return fault + load
	}
	return joinReasons(fault, load)
}

// faultNext is what the first error of a faulty file says to do; where that is several lines
// to write, it is where they are shown.
func faultNext(f *hclspec.Fault) string {
	if f == nil {
		return ""
	}
	for _, d := range f.Diagnostics {
		switch {
		case d.Severity != hcl.DiagError:
		case strings.Contains(d.Detail, "\n"):
			return "see what to write: wsgid-fleet validate"
		default:
			return d.Detail
		}
	}
	return ""
}
