package process

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// alarm goes off at a time of the machine's clock, also after the machine was
// suspended, and when the clock is set.
type alarm struct {
	loop *evloop.Loop
	do   func()
	fd   int // of the timer; -1: there is none
}

func (a *alarm) init(loop *evloop.Loop, do func()) { a.loop, a.do, a.fd = loop, do, -1 }

// set has it go off at that time; the zero time: when the clock is set.
func (a *alarm) set(at time.Time) error {
	if a.fd < 0 {
		fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
		if err != nil {
			return fmt.Errorf("cannot create a timer: %w", err)
		}
		if err := a.loop.Add(fd, unix.EPOLLIN, a); err != nil {
			_ = unix.Close(fd)
			return err
		}
		a.fd = fd
	}
	if at.IsZero() {
		at = time.Now().Add(365 * 24 * time.Hour)
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(at.UnixNano())}
	if err := unix.TimerfdSettime(a.fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &spec, nil); err != nil {
		return fmt.Errorf("cannot set the timer to %v: %w", at, err)
	}
	return nil
}

func (a *alarm) stop() {
	if a.loop != nil && a.fd >= 0 {
		a.loop.Remove(a.fd)
		_ = unix.Close(a.fd)
		a.fd = -1
	}
}

// OnEvents is told that it goes off, or that the clock was set, which the read tells
// by an error.
func (a *alarm) OnEvents(uint32) {
	var b [8]byte
	_, _ = unix.Read(a.fd, b[:])
	a.do()
}
