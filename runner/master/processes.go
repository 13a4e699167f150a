package master

import (
	"path/filepath"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/process"
)

// processLock is the file below the app's state that the master holds which runs the
// app's processes.
const processLock = "processes.lock"

// followProcesses has the processes run that the spec names by which the workers do.
// The first time, and after a change of code, they wait until the workers serve.
func (m *master) followProcesses() {
	spec := m.pool.Running()
	if m.draining || m.processes == nil && len(spec.Processes) == 0 {
		return
	}
	if m.processes == nil {
		m.processes = &process.Set{Loop: m.loop, Log: m.log, Pool: m.pool, Spawner: m.spawner, View: m.view,
			Lock:    process.NewLock(filepath.Join(m.dir, processLock), m.openLock),
			Changed: func() { m.loop.Post(m.pool.NotifyChanged) }}
	}
	m.processes.Follow(spec, m.pool.RunningGeneration(), m.accepting && m.pool.Serves())
}

// openLock opens the file of a lock, which is outside of a chroot.
func (m *master) openLock(path string) (fd int, err error) {
	if m.chroot == nil {
		return process.OpenLock(path)
	}
	m.chroot.OnHost(func() { fd, err = process.OpenLock(path) })
	return fd, err
}

// finish ends the master once nothing runs beside its workers any more: what they have
// queued at last may still be wanted by what does.
func (m *master) finish() {
	m.loop.Clear(&m.deadline) // each process has its own
	m.finishSchedules(func() {
		if m.processes == nil {
			m.loop.Stop()
			return
		}
		m.processes.Emptied = m.loop.Stop
		m.processes.Stop()
	})
}

// tellProcesses adds the processes to what the master tells.
func (m *master) tellProcesses(st *control.Status) {
	m.tellSchedules(st)
	if m.processes == nil {
		return
	}
	st.Processes = m.processes.Status()
	if fault := m.processes.Fault(); fault != "" && (st.State == control.StateReady || st.State == control.StateIdle) {
		st.State, st.Reason = control.StateDegraded, fault
	}
}
