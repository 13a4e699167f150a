package appdir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/afero"
)

// Kind is the kind of process that a pid file stands for: its folder.
type Kind string

// The two kinds of wsgid.
const (
	Master Kind = MasterPIDDir
	Worker Kind = WorkerPIDDir
)

func pidName(kind Kind, pid int) string {
	return path.Join("/", string(kind), strconv.Itoa(pid)+".pid")
}

// WritePID writes the pid file of a process. fsys is rooted at the app folder.
func WritePID(fsys afero.Fs, kind Kind, pid int, owner Owner) error {
	name := pidName(kind, pid)
	err := writeFile(fsys, name, []byte(strconv.Itoa(pid)+"\n"), PIDFileMode, owner, false)
	if err != nil {
		return fmt.Errorf("cannot write pid file %s: %w", name[1:], explain(err, "the app folder"))
	}
	return nil
}

// RemovePID removes the pid file of a process; a missing one is no error.
func RemovePID(fsys afero.Fs, kind Kind, pid int) error {
	name := pidName(kind, pid)
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove pid file %s: %w", name[1:], explain(err, "the app folder"))
	}
	return nil
}

// PIDs returns the process numbers that the pid files of a kind name, in
// ascending order. They prove nothing: a process may be dead, or another one.
// Files that are not a pid file of wsgid's are passed over.
func PIDs(fsys afero.Fs, kind Kind) ([]int, error) {
	names, err := readNames(fsys, "/"+string(kind))
	if err != nil {
		return nil, fmt.Errorf("cannot list %s: %w", kind, err)
	}
	var pids []int
	for _, name := range names {
		pid, ok := pidOf(name)
		if ok && holdsPID(fsys, pidName(kind, pid), pid) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// pidOf reads the number of a pid file's name, which has one form only.
func pidOf(name string) (int, bool) {
	s, ok := strings.CutSuffix(name, ".pid")
	if !ok {
		return 0, false
	}
	pid, err := strconv.ParseUint(s, 10, 31)
	return int(pid), err == nil && pid > 0 && strconv.FormatUint(pid, 10) == s
}

// holdsPID tells whether a regular file holds nothing but this number.
func holdsPID(fsys afero.Fs, name string, pid int) bool {
	fi, err := Lstat(fsys, name)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > 32 {
		return false
	}
	b, err := readFile(fsys, name)
	return err == nil && string(bytes.TrimSpace(b)) == strconv.Itoa(pid)
}

// MarkPID writes the pid file of a process that runs, as the folder's own user would.
func (r *RootFs) MarkPID(kind Kind, pid int) error {
	name := pidName(kind, pid)[1:]
	f, err := r.OpenRegular(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if os.IsExist(err) {
		_ = r.Remove(name)
		f, err = r.OpenRegular(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	_, _ = fmt.Fprintf(f, "%d\n", pid)
	_ = f.Close()
	return nil
}

// UnmarkPID removes the pid file of a process that has ended.
func (r *RootFs) UnmarkPID(kind Kind, pid int) { _ = r.Remove(pidName(kind, pid)[1:]) }
