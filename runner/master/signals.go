package master

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// listenToSignals gives each kind a channel of its own: none is pushed out by many
// of another.
func listenToSignals() (all []chan os.Signal) {
	for _, kind := range [][]os.Signal{{unix.SIGTERM, unix.SIGINT}, {unix.SIGHUP}, {unix.SIGTTIN, unix.SIGTTOU}, {unix.SIGCHLD}, {control.SignalRestore}} {
		c := make(chan os.Signal, 16)
		signal.Notify(c, kind...)
		all = append(all, c)
	}
	return all
}

// onSignal: TERM and INT drain the master, HUP opens its log anew and rolls its workers,
// TTIN and TTOU scale it by one.
func (m *master) onSignal(s syscall.Signal) {
	if m.draining && s != unix.SIGCHLD && s != control.SignalRestore {
		if s == unix.SIGTERM || s == unix.SIGINT {
			m.stopSchedules()
		}
		return // it is on its way; the next master is told, if there is one
	}
	switch s { //nolint:exhaustive // only what run asked for comes
	case control.SignalRestore:
		m.restore()
	case unix.SIGCHLD:
		m.pool.OnChild()
	case unix.SIGTERM, unix.SIGINT:
		m.drain("signal " + unix.SignalName(s))
	case unix.SIGHUP:
		m.log.Reopen()
		m.pool.RollTo(m.spec, "signal SIGHUP")
	case unix.SIGTTIN:
		m.pool.Grow()
	case unix.SIGTTOU:
		m.pool.Shrink()
	}
}

// hearSignals brings what comes on each channel to the loop, in its order.
func hearSignals(loop *evloop.Loop, signals []chan os.Signal, on func(syscall.Signal)) {
	signal.Ignore(unix.SIGPIPE)
	for _, c := range signals {
		go func() {
			for s := range c {
				loop.Post(func() { on(s.(syscall.Signal)) })
			}
		}()
	}
}
