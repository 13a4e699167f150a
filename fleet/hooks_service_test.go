package fleet

import (
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
)

func TestHooksWithoutServiceManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	t.Setenv("SYSTEMD_EXEC_PID", "")
	log, said := fleettest.Log()
	manager, err := systemd.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	h := ServiceHooks(manager)
	h.Ready()
	h.status("x")
	h.Reloading()
	h.Stopping()
	h.KeepListeners("blog", nil)
	if h.Status != nil {
		t.Error("a status line is made though nobody reads it")
	}
	if h.WatchdogInterval != 0 || h.Started != nil || manager.Present() {
		t.Errorf("without a service manager: watchdog %s, scopes %t, present %t", h.WatchdogInterval, h.Started != nil, manager.Present())
	}
	if said.Len() > 0 {
		t.Errorf("it was said: %s", said)
	}
}
