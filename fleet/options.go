package fleet

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// DefaultDir is the spec directory where none is named.
const DefaultDir = "/etc/wsgid.d"

// Options names a fleet. The zero value is the fleet of the machine, or of the
// calling user where that is not root.
type Options struct {
	// Dir is the spec directory. Empty: the one of the running daemon, or
	// DefaultDir where none runs. A Dir that is not the running daemon's is an
	// error of Connect: two directories on one state directory would fight.
	Dir string
	// StateDir holds locks, sockets and what is running. Empty:
	// runner.DefaultStateDir.
	StateDir string
	// DataDir holds what must survive a reboot. Empty: see defaultDataDir.
	DataDir string
	Version string       // of the program, as status shows it
	Log     *slog.Logger // nil: slog.Default
	// Staged tells that Dir may be another directory than the running daemon's, to
	// be planned against its fleet and no more, see Client.PlanStaged.
	Staged bool
	// Hold has edits of the directory wait for the command apply.
	Hold bool

	// Cluster is the fleet of many machines that this host is part of; nil: it is alone.
	Cluster Cluster

	dataChosen, stateChosen bool // DataDir or StateDir was chosen here, nobody has named it

	systemDir string // state directory of root's fleet; empty: runner.SystemStateDir

	folderLimit time.Duration // 0: reconcile.FolderLimit

	// dialSite connects to a name, to see that it leads here; nil: as this machine does.
	dialSite func(ctx context.Context, network, addr string) (net.Conn, error)

	fs      afero.Fs          // nil: the real one
	machine reconcile.Machine // nil: real masters
	folders reconcile.Folders // nil: runner/appdir
}

func (o Options) withDefaults() Options {
	if o.Dir == "" {
		o.Dir = DefaultDir
	}
	if o.StateDir == "" {
		o.StateDir, o.stateChosen = runner.DefaultStateDir(), true
	}
	if o.systemDir == "" {
		o.systemDir = runner.SystemStateDir
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.fs == nil {
		o.fs = afero.NewOsFs()
	}
	if o.machine == nil {
		o.machine = reconcile.Processes{}
	}
	if o.folders == nil {
		o.folders = reconcile.AppFolders{}
	}
	// A daemon may be asked from another working directory than it was started in.
	if abs, err := filepath.Abs(o.Dir); err == nil {
		o.Dir = abs
	}
	if abs, err := filepath.Abs(o.StateDir); err == nil {
		o.StateDir = abs
	}
	if o.DataDir == "" {
		o.DataDir, o.dataChosen = defaultDataDir(o.StateDir), true
	} else if abs, err := filepath.Abs(o.DataDir); err == nil {
		o.DataDir = abs
	}
	return o
}

// Directories are the state and the data directory that options stand for.
func Directories(o Options) (state, data string) {
	o = o.withDefaults()
	return o.StateDir, o.DataDir
}
