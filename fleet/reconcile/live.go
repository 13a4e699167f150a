package reconcile

import (
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

// Observed is what is true of an app, with how its masters are spoken to.
type Observed struct {
	plan.Observed
	Handles map[int]Handle // by pid
}

// Live is one of its masters, to be spoken to.
type Live struct {
	plan.Master
	Handle Handle
}

// All are its masters, newest first, draining ones last.
func (o Observed) All() []Live {
	out := make([]Live, len(o.Masters))
	for i, m := range o.Masters {
		out[i] = Live{m, o.Handles[m.PID]}
	}
	return out
}

// ByPID is the one of that pid; without one it has no handle.
func (o Observed) ByPID(pid int) Live {
	for _, m := range o.Masters {
		if m.PID == pid {
			return Live{m, o.Handles[pid]}
		}
	}
	return Live{}
}
