package runner

import (
	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// What a master tells of itself, for whoever starts masters and speaks to them: types
// of package control, which says what they are.
type (
	Record        = control.Record
	Status        = control.Status
	State         = control.State
	WorkerState   = control.WorkerState
	WorkerInfo    = control.WorkerInfo
	RequestCounts = control.RequestCounts
	HealthStatus  = control.HealthStatus
	Counters      = control.Counters
)

// States of an app.
const (
	StateStarting = control.StateStarting
	StateReady    = control.StateReady
	StateUpdating = control.StateUpdating
	StateIdle     = control.StateIdle
	StateDegraded = control.StateDegraded
	StateBackoff  = control.StateBackoff
	StateStopping = control.StateStopping
)

// States of a worker.
const (
	WorkerStarting = control.WorkerStarting
	WorkerIdle     = control.WorkerIdle
	WorkerBusy     = control.WorkerBusy
	WorkerDraining = control.WorkerDraining
)

// DurationBounds are the bounds of Counters.Buckets in seconds.
func DurationBounds() []float64 { return control.DurationBounds() }

// WithoutPlace is a reason without the place that a text below it tells too.
func WithoutPlace(reason, text string) string { return control.WithoutPlace(reason, text) }

// Digest names what a spec says, see appspec.Digest.
func Digest(spec *appspec.Spec) string { return appspec.Digest(spec) }
