package fleet

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// daemonElsewhere refuses to serve a spec directory that a daemon of this user
// serves on another state directory, where the caller has not named his own: the
// daemon was started with another environment (XDG_RUNTIME_DIR), and a second fleet
// on the same specs would stand in the way of the first.
func daemonElsewhere(ctx context.Context, o Options) error {
	for _, dir := range fleetsHere() {
		if dir == o.StateDir {
			continue
		}
		if _, err := state.CheckTop(afero.NewOsFs(), "state", dir); err != nil {
			continue // another user's, or gone
		}
		c, err := dial(ctx, (&state.Store{Dir: dir}).SocketPath())
		if err != nil {
			continue
		}
		d := c.Daemon()
		_ = c.Close()
		if samePlace(d.Dir, o.Dir) {
			return fmt.Errorf("cannot use state directory %s: the daemon (pid %d) of %s runs on state directory %s; name that with --state-dir",
				o.StateDir, d.PID, d.Dir, dir)
		}
	}
	return nil
}

// fleetsHere are the state directories on which a daemon of this machine listens,
// by the names that the kernel has of their control sockets.
func fleetsHere() []string {
	f, err := os.Open("/proc/net/unix")
	if err != nil {
		return nil
	}
	defer f.Close()
	var dirs []string
	for s := bufio.NewScanner(f); s.Scan(); {
		i := strings.IndexByte(s.Text(), '/')
		if i < 0 {
			continue
		}
		// It was bound under the name that it had before it was moved.
		path, ok := strings.CutSuffix(s.Text()[i:], "/fleet.sock.new")
		if ok && !slices.Contains(dirs, path) {
			dirs = append(dirs, filepath.Clean(path))
		}
	}
	return dirs
}
