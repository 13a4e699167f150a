package fleet

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/afero"
)

// DefaultDir is the spec directory where none is named (contract, section 1).
const DefaultDir = "/etc/wsgid.d"

// Options names a fleet. The zero value is the fleet of the machine, or of the
// calling user where that is not root.
type Options struct {
	// Dir is the spec directory. Empty: the one of the running daemon, or
	// DefaultDir where none runs. A Dir that is not the running daemon's is an
	// error of Connect: two directories on one state directory would fight.
	Dir string
	// StateDir holds locks, sockets and what is running. Empty: DefaultStateDir.
	StateDir string
	Version  string       // of the program, as status shows it
	Log      *slog.Logger // nil: slog.Default

	fs      afero.Fs // nil: the real one
	machine machine  // nil: real masters
	folders folders  // nil: runner/appdir
}

// DefaultStateDir is /run/wsgid for root and $XDG_RUNTIME_DIR/wsgid for others
// (contract, section 2). Without that variable it is a directory of the user
// in the system's temporary directory, which OpenStore refuses to share.
func DefaultStateDir() string {
	if os.Geteuid() == 0 {
		return "/run/wsgid"
	}
	if d := os.Getenv("XDG_RUNTIME_DIR"); d != "" {
		return filepath.Join(d, "wsgid")
	}
	return filepath.Join(os.TempDir(), "wsgid-"+uidText())
}

func (o Options) withDefaults() Options {
	if o.Dir == "" {
		o.Dir = DefaultDir
	}
	if o.StateDir == "" {
		o.StateDir = DefaultStateDir()
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.fs == nil {
		o.fs = afero.NewOsFs()
	}
	if o.machine == nil {
		o.machine = realMachine{}
	}
	if o.folders == nil {
		o.folders = appFolders{}
	}
	// A daemon may be asked from another working directory than it was started in.
	if abs, err := filepath.Abs(o.Dir); err == nil {
		o.Dir = abs
	}
	if abs, err := filepath.Abs(o.StateDir); err == nil {
		o.StateDir = abs
	}
	return o
}
