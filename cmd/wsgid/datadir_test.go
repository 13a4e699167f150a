package main

import (
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// The state directory of the machine lies in memory: what must survive a reboot does
// not lie there.
func TestDataDirSurvivesAReboot(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/home/deploy/.state")
	state := runner.DefaultStateDir()
	if got := dataDir(state); got != runner.DefaultDataDir() || got == state {
		t.Errorf("data directory %s beside state directory %s", got, state)
	}
	if got := dataDir("/srv/state"); got != "/srv/state" {
		t.Errorf("with a state directory that was named: %s", got)
	}
}
