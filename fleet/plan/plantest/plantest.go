// Package plantest is what tests of plans and of what comes of them share: masters as
// they are observed, and what was handed to them.
package plantest

import (
	"errors"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Master is a live master that runs a spec.
func Master(pid int, spec *appspec.Spec, change ...func(*plan.Master)) plan.Master {
	d := runner.Digest(spec)
	m := plan.Master{
		Record: runner.Record{App: spec.Name, PID: pid, SpecDigest: d, Generation: 1, Since: time.Unix(int64(pid), 0)},
		Status: runner.Status{State: runner.StateReady, SpecDigest: d, WantDigest: d, Generation: 1, Min: spec.Workers.Min, Max: spec.Workers.Max},
	}
	for _, f := range change {
		f(&m)
	}
	return m
}

// InState has a master tell that state.
func InState(st runner.State) func(*plan.Master) { return func(m *plan.Master) { m.Status.State = st } }

// Draining has it be told to end.
func Draining(m *plan.Master) { m.Draining, m.Status.State = true, runner.StateStopping }

// Silent has it not answer.
func Silent(m *plan.Master) { m.Err = errors.New("i/o timeout") }

// Applied is what was handed to masters last.
func Applied(spec *appspec.Spec) *state.Applied {
	return &state.Applied{Generation: 1, Digest: runner.Digest(spec), Spec: spec}
}

// Suspended has it have nothing to do, nor any worker.
func Suspended(m *plan.Master) { m.Status.State, m.Status.Suspended = runner.StateIdle, true }

// Rolling is a rollout that began while before was served.
func Rolling(spec, before *appspec.Spec) *state.Applied {
	a := Applied(spec)
	a.Before = before
	return a
}

// Wants has it be given another spec last.
func Wants(spec *appspec.Spec) func(*plan.Master) {
	return func(m *plan.Master) { m.Status.WantDigest = runner.Digest(spec) }
}
