package fleet

import (
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// ServiceManager is the systemd that started this process, or whoever else
// speaks its protocols: readiness and watchdog (NOTIFY_SOCKET), sockets handed
// over (LISTEN_FDS), the store of descriptors, and scopes over D-Bus. Where none
// is there every method does nothing.
type ServiceManager struct {
	// Inherited are the descriptors that this process was started with; they go to
	// the daemon.
	Inherited Inherited

	log    *slog.Logger
	notify *notifier
	store  *fdStore
	scopes *scopes // nil: processes stay where they are
}

// OpenServiceManager looks at the environment that the process was started with
// and takes the descriptors that came with it. Call it once, before any child is
// started, and Close it at the end.
func OpenServiceManager(log *slog.Logger) (*ServiceManager, error) {
	inherited, warnings, err := takeInherited()
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		log.Warn(w)
	}
	n := &notifier{log: log, present: os.Getenv("NOTIFY_SOCKET") != ""}
	return &ServiceManager{
		Inherited: inherited,
		log:       log,
		notify:    n,
		store:     newFDStore(n, inherited.Kept),
		scopes:    openScopes(log),
	}, nil
}

// Present tells whether anyone listens to what the daemon says of itself.
func (m *ServiceManager) Present() bool { return m.notify.present }

// Hooks connect a daemon to the service manager.
func (m *ServiceManager) Hooks() Hooks {
	h := Hooks{
		Ready:         m.notify.ready,
		Reloading:     m.notify.reloading,
		ExtendTimeout: m.notify.extendTimeout,
		Stopping: func() {
			// What is kept now stays kept: if this is a restart, the next daemon takes
			// it back, and if not, the service manager closes it.
			m.store.freeze()
			m.notify.stopping()
		},
		KeepListeners: m.store.keep,
		SocketsStored: m.Present() && startedBySystemd(),
		Upgrade:       upgrade,
	}
	if m.Present() {
		h.Status = m.notify.status // the line costs a look at every app that changes
	}
	if interval := watchdogInterval(); interval > 0 {
		h.Watchdog, h.WatchdogInterval = m.notify.watchdog, interval
	}
	if m.scopes != nil {
		h.Started = m.scopes.put
	}
	return h
}

// Close waits until what was begun over D-Bus has ended. Inherited files stay
// open: they are the daemon's.
func (m *ServiceManager) Close() {
	if m.scopes != nil {
		m.scopes.close()
	}
}

// watchdogInterval is how often to send WATCHDOG=1: half of what the service
// manager waits for it, as sd_watchdog_enabled(3) advises; 0: it does not wait.
func watchdogInterval() time.Duration {
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
