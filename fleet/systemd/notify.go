package systemd

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// notifier speaks sd_notify(3). Its methods may be called from any goroutine.
type notifier struct {
	log     *slog.Logger
	present bool

	mu     sync.Mutex
	failed bool   // the last message could not be sent; said once
	last   string // STATUS that was sent last
}

func (n *notifier) ready() { n.send(daemon.SdNotifyReady) }

// reloading says that READY=1 will follow. systemd of Type=notify-reload wants
// the time, to tell this reload from an earlier one.
func (n *notifier) reloading() {
	n.send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, monotonicMicros()))
}

func (n *notifier) stopping() { n.send(daemon.SdNotifyStopping) }

func (n *notifier) watchdog() { n.send(daemon.SdNotifyWatchdog) }

// extendTimeout asks that the time to start or stop ends no earlier than d from
// now.
func (n *notifier) extendTimeout(d time.Duration) {
	n.send(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

// status sends one line, if it is a new one.
func (n *notifier) status(line string) {
	line = strings.Join(strings.Fields(line), " ")
	n.mu.Lock()
	same := n.last == line
	n.last = line
	n.mu.Unlock()
	if !same {
		n.send("STATUS=" + line)
	}
}

func (n *notifier) send(state string) {
	if !n.present {
		return
	}
	_, err := daemon.SdNotify(false, state)
	n.told(err)
}

// told notes how a message went. A service manager that does not listen is said
// once, not with every watchdog.
func (n *notifier) told(err error) {
	n.mu.Lock()
	before := n.failed
	n.failed = err != nil
	n.mu.Unlock()
	if err != nil && !before {
		n.log.Warn("cannot notify the service manager: " + err.Error())
	}
}

func monotonicMicros() int64 {
	var ts unix.Timespec
	// CLOCK_MONOTONIC exists on every Linux; the call cannot fail.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano() / 1000
}
