package runner

import (
	"os"
	"path/filepath"
	"strconv"
)

// SystemStateDir is the state directory of root's fleet.
const SystemStateDir = "/run/wsgid"

// DefaultStateDir is where the state lies when no --state-dir is given:
// /run/wsgid for root and $XDG_RUNTIME_DIR/wsgid for others. Without that variable it is a folder of the user's own in the
// system's temporary directory; whoever opens it refuses one that another user
// has made there first.
func DefaultStateDir() string {
	if os.Geteuid() == 0 {
		return SystemStateDir
	}
	if d := os.Getenv("XDG_RUNTIME_DIR"); d != "" {
		return filepath.Join(d, "wsgid")
	}
	return filepath.Join(os.TempDir(), "wsgid-"+strconv.Itoa(os.Geteuid()))
}

// DefaultDataDir is where what must survive a reboot lies when no --data-dir is
// given: /var/lib/wsgid for root, $XDG_STATE_HOME/wsgid for others. Empty: this
// user has no home.
func DefaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/wsgid"
	}
	// A relative path there is to be ignored, says the XDG Base Directory
	// Specification.
	if d := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "wsgid")
	}
	if d := os.Getenv("HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, ".local", "state", "wsgid")
	}
	return ""
}
