package master

import (
	"context"
	"fmt"
	"time"
)

// drain finishes what was accepted and ends the process.
func (m *master) drain(why string) {
	if m.draining {
		return
	}
	m.draining = true
	m.log.Info("draining: " + why)
	if m.schedules != nil {
		m.schedules.Leave()
	}
	m.saveRecord()
	m.loop.Set(&m.deadline, m.spec.Workers.StopTimeout.D()+5*time.Second)
	// Before the HTTP server, which may be empty at once: mongrel2 goes on sending until it
	// has heard of it.
	m.settle.Do = m.checkDrained
	m.loop.Set(&m.settle, settleTime)
	for _, in := range m.m2 {
		in.detach()
	}
	m.http.Leave() // before TLS ends, which somebody who waited may speak
	if m.tls != nil {
		ctx, cancel := context.WithTimeout(context.Background(), m.spec.Workers.StopTimeout.D())
		m.loop.OnEnd(cancel)
		m.tls.drain(ctx)
	}
	m.http.Drain()
	m.pool.NotifyChanged()
}

// settleTime is how long a leaving mongrel2 handler is still listened to.
const settleTime = 200 * time.Millisecond

// checkDrained stops the pool when no request is left and none can come.
func (m *master) checkDrained() {
	if !m.draining || !m.http.Empty() || (m.tls != nil && !m.tls.stopped) {
		return
	}
	if len(m.m2) > 0 && m.settle.IsSet() {
		return
	}
	for _, in := range m.m2 {
		if !in.idle() {
			if !m.settle.IsSet() {
				m.loop.Set(&m.settle, settleTime) // a reply may be on its way out
			}
			return
		}
	}
	m.pool.Stop()
}

func (m *master) onPoolEmpty() {
	if m.ended {
		return
	}
	m.ended = true
	if !m.draining {
		m.drain("the last worker has exited")
	}
	m.finish()
}

// onDeadline: draining took too long.
func (m *master) onDeadline() {
	m.log.Warn(fmt.Sprintf("draining did not end within %v (workers.stop_timeout): remaining requests are aborted", m.spec.Workers.StopTimeout))
	m.http.Cut()
	m.pool.Stop()
	m.pool.Abort()
	m.deadline.Do = m.finish
	m.loop.Set(&m.deadline, 2*time.Second)
}
