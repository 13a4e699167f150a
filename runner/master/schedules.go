package master

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/cron"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/process"
)

// schedulesFile is the file below <data>/apps/<app> with what was run at which time,
// and what was decided upon, over masters and reboots.
const schedulesFile = "schedules.json"

// scheduleLock is the file below the app's state that the master holds which decides
// what is run.
const scheduleLock = "schedules.lock"

// followSchedules has run at times what the spec names by which the workers run.
func (m *master) followSchedules() {
	spec := m.pool.Running()
	if m.draining || m.schedules == nil && len(spec.Schedules) == 0 {
		return
	}
	if m.schedules == nil {
		name := filepath.Join("apps", m.spec.Name, schedulesFile)
		m.schedules = &process.Schedules{Loop: m.loop, Log: m.log, Pool: m.pool, Spawner: m.spawner, View: m.view,
			Zone: m.zone,
			Lock: process.NewLock(filepath.Join(m.dir, scheduleLock), m.openLock),
			RunLock: func(name string) *process.Lock {
				return process.NewLock(filepath.Join(m.dir, "schedule-"+name+".lock"), m.openLock)
			},
			Read: func() ([]byte, error) {
				if m.data == nil {
					return nil, errNoData
				}
				return m.data.ReadFile(name)
			},
			Writer: func() func([]byte) error {
				data := m.data
				return func(b []byte) error {
					if data == nil {
						return errNoData
					}
					return writeData(data, name, b)
				}
			},
			Changed: func() { m.loop.Post(m.pool.NotifyChanged) }}
	}
	m.schedules.Follow(spec, m.accepting && m.pool.Serves())
}

var errNoData = errors.New("the data directory cannot be opened")

// zone reads a time zone, whose file is outside of a chroot.
func (m *master) zone(name string) (zone *time.Location, err error) {
	if m.chroot == nil {
		return cron.Zone(name)
	}
	m.chroot.OnHost(func() { zone, err = cron.Zone(name) })
	return zone, err
}

// finishSchedules calls then when no run is under way any more. Where another master
// has taken over, they go on to their end.
func (m *master) finishSchedules(then func()) {
	if m.schedules == nil {
		then()
		return
	}
	m.schedules.Finish(!m.http.HasSuccessor(), then)
}

// stopSchedules ends the runs that a master stays for that has drained.
func (m *master) stopSchedules() {
	if m.schedules != nil {
		m.schedules.Stop()
	}
}

// tellSchedules adds the schedules to what the master tells.
func (m *master) tellSchedules(st *control.Status) {
	if m.schedules == nil {
		return
	}
	st.Schedules = m.schedules.Status()
	st.Warnings = append(st.Warnings, m.schedules.Warnings()...)
}

// trigger has a schedule run now. It waits until the run has begun.
func (m *master) trigger(name, order string) *control.Triggered {
	told := make(chan control.Triggered, 1)
	m.loop.Call(func() {
		if m.schedules == nil {
			told <- control.Triggered{Refused: "the app has no schedule " + name, Later: m.draining || len(m.pool.Running().Schedules) > 0}
			return
		}
		m.schedules.Trigger(name, order, func(t control.Triggered) { told <- t })
	})
	select {
	case t := <-told:
		return &t
	case <-time.After(control.Timeout / 2):
		return &control.Triggered{Refused: "its process is being started", Later: true}
	}
}
