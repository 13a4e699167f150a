package systemd

import (
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Manager is the systemd that started this process, or whoever else
// speaks its protocols: readiness and watchdog (NOTIFY_SOCKET), sockets handed
// over (LISTEN_FDS), the store of descriptors, and scopes over D-Bus. Where none
// is there every method does nothing.
type Manager struct {
	// Inherited are the descriptors that this process was started with; they go to
	// the daemon.
	Inherited Inherited

	log    *slog.Logger
	notify *notifier
	store  *fdStore
	scopes *scopes // nil: processes stay where they are
}

// Open looks at the environment that the process was started with
// and takes the descriptors that came with it. Call it once, before any child is
// started, and Close it at the end.
func Open(log *slog.Logger) (*Manager, error) {
	inherited, warnings, err := TakeInherited()
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		log.Warn(w)
	}
	n := &notifier{log: log, present: os.Getenv("NOTIFY_SOCKET") != ""}
	return &Manager{
		Inherited: inherited,
		log:       log,
		notify:    n,
		store:     newFDStore(n, inherited.Kept),
		scopes:    openScopes(log),
	}, nil
}

// Present tells whether anyone listens to what the daemon says of itself.
func (m *Manager) Present() bool { return m.notify.present }

// Ready says that the daemon has done what it was started for.
func (m *Manager) Ready() { m.notify.ready() }

// Reloading says that Ready will follow.
func (m *Manager) Reloading() { m.notify.reloading() }

// ExtendTimeout asks that the time to start or stop ends no earlier than d from now.
func (m *Manager) ExtendTimeout(d time.Duration) { m.notify.extendTimeout(d) }

// Status sends one line, if it is a new one.
func (m *Manager) Status(line string) { m.notify.status(line) }

// Watchdog says that the daemon still does its work.
func (m *Manager) Watchdog() { m.notify.watchdog() }

// Stopping says that the daemon ends. What is kept now stays kept: if this is a
// restart, the next daemon takes it back, and if not, the service manager closes it.
func (m *Manager) Stopping() {
	m.store.freeze()
	m.notify.stopping()
}

// KeepListeners makes the store hold these sockets of the app and no others.
func (m *Manager) KeepListeners(app string, files map[string]*os.File) {
	m.store.keep(app, files)
}

// KeepsListeners tells whether the store outlives a daemon that is killed.
func (m *Manager) KeepsListeners() bool { return m.Present() && startedBySystemd() }

// Scoped tells whether apps get scopes of their own.
func (m *Manager) Scoped() bool { return m.scopes != nil }

// Scope has a master and its workers put into the app's scope, where there are
// scopes. It returns at once.
func (m *Manager) Scope(app string, pid int, limits ScopeLimits) {
	if m.scopes != nil {
		m.scopes.put(app, pid, limits)
	}
}

// Close waits until what was begun over D-Bus has ended. Inherited files stay
// open: they are the daemon's.
func (m *Manager) Close() {
	if m.scopes != nil {
		m.scopes.close()
	}
}

// WatchdogInterval is how often to send WATCHDOG=1: half of what the service
// manager waits for it, as sd_watchdog_enabled(3) advises; 0: it does not wait.
func WatchdogInterval() time.Duration {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0
	}
	return limit / 2
}

// startedBySystemd tells whether this very process was executed by systemd, not
// one that merely inherited its environment (SYSTEMD_EXEC_PID, systemd 248).
func startedBySystemd() bool {
	return os.Getenv("SYSTEMD_EXEC_PID") == strconv.Itoa(os.Getpid())
}
