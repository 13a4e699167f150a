package control

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// AppDir is where the state of an app lies: the records and the control sockets of its
// masters.
func AppDir(stateDir, app string) string { return filepath.Join(stateDir, "apps", app) }

// GateSockets is the folder of a state directory that holds the sockets by which the
// gate hands connections to the masters, one for each app that has hosts.
func GateSockets(stateDir string) string { return filepath.Join(stateDir, "gate") }

// ServedFile is the file below <data>/apps/<app> with the spec by which an app of
// workers.min = 0 has served last. Such an app is not down while it has no worker,
// nor while it has no master: a spec that came meanwhile and does not work must not
// take it down. Like all of that directory it holds secrets.
const ServedFile = "served.json"

// SignalRestore asks a master to make anew what is gone of its state directory. Earlier
// versions ignore it.
const SignalRestore = unix.SIGWINCH

// SocketGone tells that the control socket of a master is gone.
func SocketGone(dir string, pid int) bool {
	_, err := os.Lstat(SocketPath(dir, pid))
	return errors.Is(err, fs.ErrNotExist)
}
