package runner

import (
	"fmt"
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
)

// writePID writes or removes pid/<kind>/<pid>.pid in the app folder.
func writePID(root *appdir.RootFs, log *applog.Log, kind string, pid int, alive bool) {
	name := fmt.Sprintf("pid/%s/%d.pid", kind, pid)
	if !alive {
		_ = root.Remove(name)
		return
	}
	f, err := root.OpenRegular(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if os.IsExist(err) {
		_ = root.Remove(name)
		f, err = root.OpenRegular(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	}
	if err != nil {
		if root.ReadOnly() {
			if kind == "master" {
				log.Info("no pid files are written: the app folder is on a read-only file system")
			}
			return
		}
		log.Warn(fmt.Sprintf("cannot write %s: %v", name, err))
		return
	}
	_, _ = fmt.Fprintf(f, "%d\n", pid)
	_ = f.Close()
}
