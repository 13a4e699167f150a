package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/boot"
)

// MasterProgram is the name of the program that masters are started from.
const MasterProgram = boot.Program

// program is the file that this process starts masters from. It is held open from
// the first time on: after its file is replaced, a process of the old build goes
// on to start masters of the old build, until it is replaced itself.
var program struct {
	mu   sync.Mutex
	file *os.File // nil: to be looked for
}

// OpenMasterProgram finds the program that masters are started from, so that the
// file which lies there now is executed from now on.
func OpenMasterProgram() error {
	f, err := masterProgram()
	if err == nil {
		_ = f.Close()
	}
	return err
}

// masterProgram returns the program, opened anew: the caller closes it.
func masterProgram() (*os.File, error) {
	program.mu.Lock()
	defer program.mu.Unlock()
	if program.file == nil {
		path, err := MasterProgramPath()
		if err != nil {
			return nil, err
		}
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("cannot open %s: %w", path, err)
		}
		program.file = os.NewFile(uintptr(fd), path)
	}
	fd, err := unix.FcntlInt(program.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", program.file.Name(), err)
	}
	return os.NewFile(uintptr(fd), program.file.Name()), nil
}

// forgetMasterProgram has the program looked for again: the one that is held is
// not of our build, and the right one may be put in its place.
func forgetMasterProgram() {
	program.mu.Lock()
	defer program.mu.Unlock()
	if program.file != nil {
		_ = program.file.Close()
		program.file = nil
	}
}

// MasterProgramPath is where the program lies that this one starts masters from.
func MasterProgramPath() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot find %s: %w", MasterProgram, err)
	}
	if boot.IsMaster {
		return "/proc/self/exe", nil
	}
	return masterProgramOf(exe)
}

// masterProgramOf is where the program lies that the one at exe starts masters
// from: beside it, or in libexec beside its folder.
func masterProgramOf(exe string) (string, error) {
	dir := filepath.Dir(exe)
	places := []string{filepath.Join(dir, MasterProgram), filepath.Join(dir, "../libexec/wsgid-fleet", MasterProgram)}
	for _, path := range places {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return "", fmt.Errorf("cannot use %s: %w", path, errors.Unwrap(err))
		case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
			return "", fmt.Errorf("cannot use %s: it is not an executable file: install it again", path)
		default:
			return path, nil
		}
	}
	return "", fmt.Errorf("cannot find the program %s, which serves an app: it is neither %s nor %s: install it next to %s, from the same release",
		MasterProgram, places[0], places[1], exe)
}

// CheckMasterProgram tells why the program at exe could not start masters. build
// is what it says of itself.
func CheckMasterProgram(ctx context.Context, exe, build string) error {
	if boot.IsMaster {
		return nil
	}
	exe, err := filepath.EvalSymlinks(exe)
	if err != nil {
		return err
	}
	return checkMasterProgram(ctx, exe, build)
}

func checkMasterProgram(ctx context.Context, exe, build string) error {
	path, err := masterProgramOf(exe)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		said := strings.Split(strings.TrimSpace(out.String()), "\n")
		return fmt.Errorf("%s does not report its version: %w: %s", path, err, said[len(said)-1])
	}
	if theirs := strings.TrimPrefix(strings.TrimSpace(out.String()), MasterProgram+" "); theirs != build {
		return boot.OtherBuild(path, theirs, exe, build)
	}
	return nil
}
