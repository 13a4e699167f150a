package fleet

import (
	"os"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
)

// Hooks are what the daemon tells the outside of its life: the service manager,
// if one listens. Any field may be nil. They are called from several
// goroutines and must not block for long.
type Hooks struct {
	// Ready: every app of a good spec has been tried once.
	Ready func()
	// Status is the fleet in one line, for who asks the service manager.
	Status func(line string)
	// Reloading: SIGHUP came. Ready is called again when it is carried out.
	Reloading func()
	// Stopping: TERM or INT came; apps are drained.
	Stopping func()
	// Watchdog is called from the reconcile loop itself, each WatchdogInterval.
	Watchdog         func()
	WatchdogInterval time.Duration // zero: no watchdog
	// ExtendTimeout asks for that much more time to start or to stop.
	ExtendTimeout func(d time.Duration)
	// Started tells of each master that was started or taken over, so that it
	// can be put into a scope of its own, and of each that runs by another spec
	// from now on, whose limits may differ.
	Started func(app string, pid int, limits systemd.ScopeLimits)
	// KeepListeners gives the listening sockets of an app by listen string, each
	// time they change; the files stay the daemon's. None: the app is stopped.
	KeepListeners func(app string, files map[string]*os.File)
	// SocketsStored: what KeepListeners was given outlives a daemon that is killed.
	SocketsStored bool
	// Upgrade re-executes the program in place (SIGUSR2). It returns only if
	// that fails. The control socket is re-opened by the successor; the daemon's
	// lock and the listening sockets go with their descriptors (Inherited).
	Upgrade func(d *Daemon) error
}

func (h *Hooks) ready() {
	if h.Ready != nil {
		h.Ready()
	}
}

func (h *Hooks) status(line string) {
	if h.Status != nil {
		h.Status(line)
	}
}

func (h *Hooks) reloading() {
	if h.Reloading != nil {
		h.Reloading()
	}
}

func (h *Hooks) stopping() {
	if h.Stopping != nil {
		h.Stopping()
	}
}

func (h *Hooks) watchdog() {
	if h.Watchdog != nil {
		h.Watchdog()
	}
}

func (h *Hooks) extendTimeout(d time.Duration) {
	if h.ExtendTimeout != nil {
		h.ExtendTimeout(d)
	}
}

func (h *Hooks) started(app string, pid int, l systemd.ScopeLimits) {
	if h.Started != nil {
		h.Started(app, pid, l)
	}
}

func (h *Hooks) keepListeners(app string, files map[string]*os.File) {
	if h.KeepListeners != nil {
		h.KeepListeners(app, files)
	}
}
