package fleet

import "github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"

// ServiceHooks connect a daemon to the service manager.
func ServiceHooks(m *systemd.Manager) Hooks {
	h := Hooks{
		Ready:         m.Ready,
		Reloading:     m.Reloading,
		ExtendTimeout: m.ExtendTimeout,
		Stopping:      m.Stopping,
		KeepListeners: m.KeepListeners,
		SocketsStored: m.KeepsListeners(),
		Upgrade:       upgrade,
	}
	if m.Present() {
		h.Status = m.Status // the line costs a look at every app that changes
	}
	if interval := systemd.WatchdogInterval(); interval > 0 {
		h.Watchdog, h.WatchdogInterval = m.Watchdog, interval
	}
	if m.Scoped() {
		h.Started = m.Scope
	}
	return h
}
