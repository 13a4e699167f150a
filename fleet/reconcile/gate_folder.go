package reconcile

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
)

// The folder of the gate holds its log. It lies in the data directory, which is ours;
// the folder itself is the gate's.

// gateFolders are the paths that a gate needs.
func gateFolders(spec *appspec.Spec) []string {
	return []string{spec.Path, filepath.Dir(filepath.Join(spec.Path, applog.FileName))}
}

func checkGateFolder(spec *appspec.Spec) (out []string, err error) {
	owner, err := appdir.FolderOwner(spec, os.Geteuid() == 0)
	if err != nil {
		return nil, err
	}
	for _, path := range gateFolders(spec) {
		fi, err := os.Lstat(path)
		switch {
		case os.IsNotExist(err):
			out = append(out, path+": it is missing")
		case err != nil:
			return out, err
		case !fi.IsDir():
			return out, fmt.Errorf("cannot use %s: it is not a directory; move it away", path)
		case int(fi.Sys().(*syscall.Stat_t).Uid) != owner.UID:
			out = append(out, path+": it is not owned by "+owner.Name)
		}
	}
	return out, nil
}

func repairGateFolder(spec *appspec.Spec) error {
	owner, err := appdir.FolderOwner(spec, os.Geteuid() == 0)
	if err != nil {
		return err
	}
	for _, path := range gateFolders(spec) {
		if err := os.Mkdir(path, 0o755); err != nil && !os.IsExist(err) {
			return fmt.Errorf("cannot make %s: %w", path, bounded.Reason(err))
		}
		if os.Geteuid() != 0 {
			continue
		}
		// No link is followed: what lies in its folder the gate may have made.
		if err := os.Lchown(path, owner.UID, owner.GID); err != nil {
			return fmt.Errorf("cannot give %s to %s: %w", path, owner.Name, bounded.Reason(err))
		}
	}
	return nil
}
