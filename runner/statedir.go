package runner

import (
	"os"
	"path/filepath"
	"strconv"
)

// DefaultStateDir is where the state lies when no --state-dir is given:
// /run/wsgid for root and $XDG_RUNTIME_DIR/wsgid for others (contract,
// section 2). Without that variable it is a folder of the user's own in the
// system's temporary directory; whoever opens it refuses one that another user
// has made there first.
func DefaultStateDir() string {
	if os.Geteuid() == 0 {
		return "/run/wsgid"
	}
	if d := os.Getenv("XDG_RUNTIME_DIR"); d != "" {
		return filepath.Join(d, "wsgid")
	}
	return filepath.Join(os.TempDir(), "wsgid-"+strconv.Itoa(os.Geteuid()))
}
