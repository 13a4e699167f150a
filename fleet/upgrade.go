package fleet

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

// startedAs is the path that this program was started by. It is kept as it was
// written and not as the kernel resolved it: an upgrade may be a symlink that
// points to another version now.
var startedAs = programPath()

func programPath() string {
	resolved, err := os.Executable()
	if err != nil {
		return ""
	}
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return resolved
	}
	if target, err := filepath.EvalSymlinks(path); err != nil || target != resolved {
		return resolved // started under a false name
	}
	return path
}

// upgradeProbe is how long a new program may take to tell its version.
const upgradeProbe = 10 * time.Second

// upgrade executes the program file anew in the place of the daemon. The
// listeners and the lock go with it, so that nobody else becomes the daemon in
// between; masters notice nothing.
func upgrade(d *Daemon) error {
	// The new program would not know these children.
	d.zygotes.Close()
	defer d.zygotes.Reopen()
	return d.core.Sockets.Whole(func(kept map[string]map[string]*os.File) error {
		return reexec(startedAs, os.Args, systemd.Inherited{Lock: d.lock, Activated: d.Inherited.Activated, Kept: kept}, d.signals)
	})
}

// reapEarlier takes the ends of those children of the earlier program that have ended when
// all apps were looked at: who ended before that is followed by nobody and would stay a
// zombie. The others are followed by now.
func reapEarlier(children []int) {
	for _, pid := range children {
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
	}
}

// reexec executes the program at path in the place of this process: pid, cgroup
// and sockets stay, and signals wait for the new program. It returns only if that
// fails; nothing has changed then.
func reexec(path string, args []string, in systemd.Inherited, s *reconcile.Signals) error {
	if err := probe(path); err != nil {
		return fmt.Errorf("cannot upgrade to %s: %w", path, err)
	}
	// Between here and the exec no child may be started: it would inherit
	// descriptors that are not marked close-on-exec any more. The lock is the one
	// that the standard library takes to fork.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	var entries []string
	var fds []int
	pass := func(name string, f *os.File) error {
		if f == nil {
			return nil
		}
		return listen.Control(f, func(fd int) error {
			_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
			if err == nil {
				fds = append(fds, fd)
				entries = append(entries, fmt.Sprintf("%d=%s", fd, url.QueryEscape(name)))
			}
			return err
		})
	}
	err := in.PassOn(pass)
	if err == nil {
		env := append(os.Environ(), systemd.InheritEnv+"="+strings.Join(entries, " "))
		release := s.Hold()
		err = syscall.Exec(path, args, env)
		release()
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	return fmt.Errorf("cannot upgrade to %s: %w", path, err)
}

// probe asks the new program for its version, and the one that it would start
// masters from: a file that was copied by half, or is made for another machine,
// must not take the place of a daemon that works.
func probe(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), upgradeProbe)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("it does not report its version: %w: %s", err, words.LastLines(out.String(), 1))
	}
	_, build, _ := strings.Cut(strings.TrimSpace(out.String()), " ")
	return runner.CheckMasterProgram(ctx, path, build)
}
