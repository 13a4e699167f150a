package master

import (
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// state implements controlled.
func (m *master) state() control.Status { return m.status() }

// wait implements controlled.
func (m *master) wait(changed chan struct{}) { m.waiters = append(m.waiters, changed) }

// adoptHanded implements controlled.
func (m *master) adoptHanded(fd int, h *control.Conn) { m.http.AdoptHanded(fd, h) }

// order implements controlled.
func (m *master) order(req *control.Request, fds []int) (ans control.Answer, files []int) {
	defer func() { evloop.CloseAll(fds) }()
	switch req.Op {
	case "update":
		if req.Spec == nil || req.Spec.Name != m.spec.Name {
			ans.Error = "cannot update: no spec, or one of another app"
			break
		}
		if len(fds) > 0 {
			m.log.UseStderr(fds[0])
			fds = fds[1:]
		}
		m.loop.Call(func() { m.update(req.Spec, req.Generation, req.Rolling) })
	case "stderr":
		if len(fds) > 0 {
			m.log.UseStderr(fds[0])
			fds = fds[1:]
		}
	case "reload":
		m.log.Reopen()
		m.loop.Call(func() { m.pool.RollTo(m.spec, "reload") })
	case "scale":
		m.loop.Call(func() { m.pool.Scale(req.Min, req.Max) })
	case "retry":
		m.loop.Call(func() {
			m.pool.Retry()
			if m.processes != nil {
				m.processes.Retry()
			}
		})
	case "trigger":
		ans.Triggered = m.trigger(req.Schedule, req.Order)
	case "stacks":
		ans.Stacks = m.pool.Stacks()
	case "drain":
		m.loop.Call(func() { m.handOver(req.Successor) })
	case "listeners":
		m.loop.Call(func() {
			m.http.Listeners(func(name string, fd int) { files = answerListener(&ans, files, name, fd) })
		})
	default:
		ans.Error = control.NoSuchOperation(req.Op)
	}
	return ans, files
}

// answerListener adds a duplicate of a listening socket to an answer, whose files it
// returns. One that cannot be had is the answer's error.
func answerListener(ans *control.Answer, files []int, name string, fd int) []int {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		ans.Error = "cannot duplicate listening sockets: " + err.Error()
		return files
	}
	ans.Listeners = append(ans.Listeners, name)
	return append(files, dup)
}
