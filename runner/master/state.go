package master

import (
	"fmt"
	"os"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/version"
)

func (m *master) saveRecord() {
	m.record.SpecDigest = m.digest(m.pool.Running())
	m.record.Draining = m.draining
	if err := m.record.Write(m.dir); err != nil {
		m.log.Error(err.Error())
	}
}

// onChange wakes those who wait for a change of state.
func (m *master) onChange() {
	if !m.accepting && !m.draining {
		if s, _ := m.pool.State(); s == control.StateReady || s == control.StateIdle {
			m.tryAccept()
		}
	}
	m.followProcesses()
	m.followSchedules()
	m.rest.changed()
	for _, ch := range m.waiters {
		close(ch)
	}
	m.waiters = nil
	if d := m.digest(m.pool.Running()); d != m.record.SpecDigest {
		m.saveRecord()
	}
}

// tryAccept begins to take requests once there is somebody to serve them. Until
// it can, the master is not ready, whatever its workers are.
func (m *master) tryAccept() {
	if m.again.IsSet() {
		return // it was tried a moment ago
	}
	err := m.accept()
	if m.acceptError = ""; err == nil {
		return
	}
	m.acceptError = err.Error()
	m.log.Error(m.acceptError + fmt.Sprintf("; next try in %v", acceptRetry))
	m.again.Do = m.pool.NotifyChanged
	m.loop.Set(&m.again, acceptRetry)
}

// acceptRetry is how long a master waits that could not open its sockets.
const acceptRetry = 2 * time.Second

// digest is Digest, remembered: a spec that a master has is never changed, another
// takes its place.
func (m *master) digest(spec *appspec.Spec) string {
	if m.digested != spec {
		m.digested, m.lastDigest = spec, appspec.Digest(spec)
	}
	return m.lastDigest
}

// status is the whole state.
func (m *master) status() control.Status {
	st := m.pool.Status()
	st.App, st.PID, st.Since = m.spec.Name, os.Getpid(), m.record.Since
	st.Program, st.Generation, st.SpecDigest = version.Program, m.record.Generation, m.record.SpecDigest
	st.WantDigest = m.digest(m.spec)
	st.RSS, st.Folder = appdir.ResidentSize(os.Getpid()), m.folder
	st.Suspended = m.rest.now()
	if site := m.http.Site(); site != nil {
		st.Warnings = append(st.Warnings, site.Faults()...)
	}
	m.tellProcesses(&st)
	switch {
	case m.draining:
		st.State, st.Reason, st.Next = control.StateStopping, "draining", ""
	case m.acceptError != "":
		st.State, st.Reason, st.LastError, st.Next = control.StateBackoff, m.acceptError, m.acceptError, ""
	}
	return st
}
