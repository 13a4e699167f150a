package runner

import (
	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// What a master tells of itself, for whoever starts masters and speaks to them. Package
// control says what each is.

type (
	// Record is control's.
	Record = control.Record
	// Status is control's.
	Status = control.Status
	// State is control's.
	State = control.State
	// WorkerState is control's.
	WorkerState = control.WorkerState
	// WorkerInfo is control's.
	WorkerInfo = control.WorkerInfo
	// Totals is control's.
	Totals = control.Totals
	// ThreadStack is control's.
	ThreadStack = control.ThreadStack
	// ScheduleRun is control's.
	ScheduleRun = control.ScheduleRun
	// Triggered is control's.
	Triggered = control.Triggered
	// ScheduleInfo is control's.
	ScheduleInfo = control.ScheduleInfo
	// ProcessInfo is control's.
	ProcessInfo = control.ProcessInfo
	// ProcessState is control's.
	ProcessState = control.ProcessState
	// RequestCounts is control's.
	RequestCounts = control.RequestCounts
	// HealthStatus is control's.
	HealthStatus = control.HealthStatus
	// Counters is control's.
	Counters = control.Counters
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

// States of a process.
const (
	ProcessWaiting  = control.ProcessWaiting
	ProcessStarting = control.ProcessStarting
	ProcessRunning  = control.ProcessRunning
	ProcessStopping = control.ProcessStopping
	ProcessBackoff  = control.ProcessBackoff
)

// DurationBounds are the bounds of Counters.Buckets in seconds.
func DurationBounds() []float64 { return control.DurationBounds() }

// WithoutPlace is a reason without the place that a text below it tells too.
func WithoutPlace(reason, text string) string { return control.WithoutPlace(reason, text) }

// Digest names what a spec says, see appspec.Digest.
func Digest(spec *appspec.Spec) string { return appspec.Digest(spec) }
