package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// process is a process that was proved to be one of the folder's; the
// descriptor keeps it from being mistaken for a later one of its number.
type process struct {
	pid    int
	fd     int
	handle *runner.Handle // nil: it was started from another state directory
}

func (p *process) close() { _ = unix.Close(p.fd) }

// signal sends a signal; a process that is gone is no error.
func (p *process) signal(s syscall.Signal) error {
	if p.handle != nil && s == unix.SIGKILL {
		return p.handle.Kill() // with its workers
	}
	err := unix.PidfdSendSignal(p.fd, s, nil, 0)
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("cannot send %s to process %d: %w", unix.SignalName(s), p.pid, err)
	}
	return nil
}

// alive tells whether the process still runs.
func (p *process) alive() bool {
	fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err != nil || n == 0
}

// targets are the masters of the folder: those that the state directory proves,
// and those of the pid files that are proved by what they are: this very
// program, a master of this folder by its title, run by the folder's owner, by
// root or by us. A pid file alone proves nothing.
func (c *cli) targets() ([]*process, error) {
	handles, err := c.masters()
	if err != nil {
		return nil, err
	}
	known := map[int]bool{}
	var out []*process
	for _, h := range handles {
		fd, err := unix.PidfdOpen(h.PID, 0)
		if err != nil {
			continue // gone
		}
		if !h.Alive() { // the number may have gone to another one before we opened it
			_ = unix.Close(fd)
			continue
		}
		known[h.PID] = true
		out = append(out, &process{pid: h.PID, fd: fd, handle: h})
	}
	for _, pid := range c.pids(appdir.Master) {
		if known[pid] {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		if !c.proved(pid) {
			_ = unix.Close(fd)
			continue
		}
		out = append(out, &process{pid: pid, fd: fd})
	}
	return out, nil
}

// pids are the process numbers of the folder's pid files.
func (c *cli) pids(kind appdir.Kind) []int {
	fsys, err := appdir.Open(c.path)
	if err != nil {
		return nil
	}
	defer fsys.Close()
	pids, err := appdir.PIDs(fsys, kind)
	if err != nil {
		return nil
	}
	return pids
}

// proved tells whether a process is a master of this folder.
func (c *cli) proved(pid int) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	var st unix.Stat_t
	owner, err := c.folderUID()
	if err != nil || unix.Stat(proc, &st) != nil {
		return false
	}
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() && int(st.Uid) != owner {
		return false
	}
	exe, err := os.Readlink(filepath.Join(proc, "exe"))
	if err != nil || !isOurs(strings.TrimSuffix(exe, " (deleted)")) {
		return false
	}
	return strings.HasPrefix(title(pid), "wsgid: master "+instancePrefix(c.path))
}

// isOurs tells whether masters are started from the program file, or were by an
// earlier version: it ran them from itself.
func isOurs(exe string) bool {
	if path, err := runner.MasterProgramPath(); err == nil {
		if program, err := filepath.EvalSymlinks(path); err == nil && exe == program {
			return true
		}
	}
	mine, err := os.Executable()
	return err == nil && exe == mine
}

// title is the first argument of a process, which ours set to say what they are.
func title(pid int) string {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return ""
	}
	first, _, _ := bytes.Cut(b, []byte{0})
	return string(first)
}

// looksOurs tells whether a live process may be wsgid's, this program's or the
// original's; good enough to print, never to send a signal.
func looksOurs(pid int) bool {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return false
	}
	for i, arg := range bytes.SplitN(b, []byte{0}, 3) {
		if i < 2 && strings.Contains(filepath.Base(string(arg)), "wsgid") {
			return true
		}
	}
	return false
}

func parent(pid int) int {
	n, err := appdir.ParentOf(pid)
	if err != nil {
		return 0
	}
	return n
}
