package reconcile

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// Folders checks and repairs app folders (package runner/appdir). live tells
// whether a process is the app's; nil: every live process may be.
type Folders interface {
	// Check says what Repair would touch, path by path.
	Check(spec *appspec.Spec, live func(pid int) bool) ([]string, error)
	Repair(spec *appspec.Spec, live func(pid int) bool) error
	// Around looks at what the app depends on beside its spec.
	Around(fsys afero.Fs, spec *appspec.Spec) plan.Surroundings
}

// AppFolders are the real ones.
type AppFolders struct{}

// Around implements Folders.
func (AppFolders) Around(fsys afero.Fs, spec *appspec.Spec) plan.Surroundings {
	return surroundingOf(fsys, spec)
}

// Check implements Folders.
func (AppFolders) Check(spec *appspec.Spec, live func(int) bool) ([]string, error) {
	if spec.Gate != nil {
		return checkGateFolder(spec)
	}
	var out []string
	err := openFolder(spec, func(fs *appdir.RootFs, owner appdir.Owner) error {
		ps, err := appdir.Check(fs, specdir.ByHand(spec), owner, live)
		for _, p := range ps {
			out = append(out, p.String())
		}
		return err
	})
	return out, err
}

// Repair implements Folders.
func (AppFolders) Repair(spec *appspec.Spec, live func(int) bool) error {
	if spec.Gate != nil {
		return repairGateFolder(spec)
	}
	return openFolder(spec, func(fs *appdir.RootFs, owner appdir.Owner) error {
		_, err := appdir.Repair(fs, specdir.ByHand(spec), owner, live)
		return err
	})
}

func openFolder(spec *appspec.Spec, f func(*appdir.RootFs, appdir.Owner) error) error {
	fs, owner, err := appdir.OpenOwned(spec, os.Geteuid() == 0)
	if err != nil {
		return err
	}
	defer fs.Close()
	return f(fs, owner)
}

// LiveOf tells which processes are the app's: its masters and their workers,
// and those that wsgid runs on the folder by hand. A master that does not
// answer may have any workers.
func LiveOf(o plan.Observed) func(pid int) bool {
	ours := map[int]bool{}
	for _, m := range o.Masters {
		if m.Err != nil {
			return nil
		}
		ours[m.PID] = true
		for _, w := range m.Status.Workers {
			ours[w.PID] = true
		}
	}
	return func(pid int) bool {
		// A worker may have been started since the master was asked.
		return ours[pid] || mayBeWsgid(pid)
	}
}

// mayBeWsgid tells whether a process is one of this program, or the original, or a
// child of one. Where that cannot be found out it may be.
func mayBeWsgid(pid int) bool {
	is, err := runsWsgid(pid)
	if is || err != nil {
		return true
	}
	if pid, err = appdir.ParentOf(pid); exhaustion(err) != nil {
		return true
	}
	is, err = runsWsgid(pid)
	return is || err != nil
}

// runsWsgid tells whether a process is one of this program, or the original. An
// error tells that nothing is known.
func runsWsgid(pid int) (bool, error) {
	if pid <= 1 {
		return false, nil
	}
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	cmdline, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return false, exhaustion(err)
	}
	for i, arg := range bytes.SplitN(cmdline, []byte{0}, 3) {
		if i < 2 && strings.Contains(filepath.Base(string(arg)), "wsgid") {
			return true, nil
		}
	}
	mine, err := os.Executable()
	if err != nil {
		return false, exhaustion(err)
	}
	theirs, err := os.Readlink(filepath.Join(dir, "exe"))
	return err == nil && theirs == mine, exhaustion(err)
}

// exhaustion is err where it says nothing of what was looked for; else nil.
func exhaustion(err error) error {
	if appdir.Exhausted(err) {
		return err
	}
	return nil
}
