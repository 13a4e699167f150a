package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi/host"
)

// LayOutHost lays the Python host out for workers and returns its folder,
// <state>/host/<digest>. It is ours, bytecode and all: no app can write what runs in
// another one's workers.
func LayOutHost(stateDir string, u User) (string, error) {
	parent := filepath.Join(stateDir, "host")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("cannot install the Python host: %w", err)
	}
	if u.Change {
		// That user must get past both, but need not see into them. An earlier
		// version made them by its caller's umask.
		for _, d := range []string{stateDir, parent} {
			if st, err := os.Stat(d); err == nil && st.Mode().Perm()&0o011 != 0o011 {
				if err := os.Chmod(d, st.Mode().Perm()|0o011); err != nil {
					return "", fmt.Errorf("cannot install the Python host: %w", err)
				}
			}
		}
	}
	dir := filepath.Join(parent, host.Digest())
	if err := host.Extract(dir); err != nil {
		return "", fmt.Errorf("cannot install the Python host in %s: %w", dir, err)
	}
	return dir, nil
}

// LayOutStageHost is LayOutHost for commands of a deploy: the folder for their
// PYTHONPATH.
func LayOutStageHost(stateDir string, u User) (string, error) {
	dir, err := LayOutHost(stateDir, u)
	return filepath.Join(dir, "wsgid", "stage"), err
}

// CompileHost begins to write the bytecode of the Python host, the first time that an
// interpreter is used, and returns what waits for its end. A start does not: a worker
// that finds no bytecode yet compiles what it needs for itself, which costs it some
// milliseconds and nothing else, so that an error is none either. What is wrong with
// the interpreter its worker tells.
func CompileHost(ctx context.Context, spec *appspec.Spec, dir string) (wait func()) {
	if os.Geteuid() != 0 {
		return func() {} // the workers are of our own user, and write it
	}
	python, err := rootsPython(spec)
	if err != nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = host.Compile(ctx, dir, python)
	}()
	return func() { <-done }
}

// rootsPython is the interpreter behind that of an app, if it is root's own: what
// it compiles all apps run.
func rootsPython(spec *appspec.Spec) (string, error) {
	python, err := appdir.ResolvePython(spec)
	if err != nil {
		return "", err
	}
	return behind(python)
}

// TrustedPython tells whether root may run an interpreter: only root can change it.
// Who is not root may run any.
func TrustedPython(python string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	_, err := behind(python)
	return err
}

// behind is the interpreter behind the links, if it is root's own.
func behind(python string) (string, error) {
	resolved, err := filepath.EvalSymlinks(python)
	if err != nil {
		return "", err
	}
	if err := isInstallation(filepath.Dir(filepath.Dir(resolved))); err != nil {
		return "", err
	}
	dir, fixed, err := appdir.Folder("interpreter's folder", filepath.Dir(resolved))
	if err != nil {
		return "", err
	}
	defer dir.Close()
	var folder, file unix.Stat_t
	if err := errors.Join(unix.Fstat(int(dir.Fd()), &folder),
		unix.Fstatat(int(dir.Fd()), filepath.Base(resolved), &file, unix.AT_SYMLINK_NOFOLLOW)); err != nil {
		return "", err
	}
	if !fixed || !roots(&folder) || !roots(&file) || file.Mode&unix.S_IFMT != unix.S_IFREG {
		return "", errors.New("users other than root can change it")
	}
	return resolved, nil
}

// roots tells whether something is root's, and only root may change it.
func roots(st *unix.Stat_t) bool { return st.Uid == 0 && st.Mode&0o022 == 0 }
