package runner

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/boot"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// A state directory may be swept away under running masters: by somebody who tidies
// up, by a cleaner of temporary files. A master whose record is gone cannot be found
// by it, nor reached without its socket; another one would be started beside it. It
// is found by its name among the processes, and makes both anew when it is asked by
// a signal that earlier versions ignore.

// Swept tells that the record or the control socket of a master is gone, or that the
// record is damaged.
func (h *Handle) Swept() bool {
	return !h.Intact(h.dir) || control.SocketGone(h.dir, h.PID)
}

// Restore asks the master to make its record and its control socket anew.
func (h *Handle) Restore() error { return h.signal(control.SignalRestore) }

func (h *Handle) signal(sig syscall.Signal) error {
	fd, err := h.pidfd()
	if err != nil {
		if appdir.Exhausted(err) {
			return fmt.Errorf("cannot send %s to master %d of %s: %w", unix.SignalName(sig), h.PID, h.App, err)
		}
		return nil //nolint:nilerr // it is gone
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && err != unix.ESRCH {
		return fmt.Errorf("cannot send %s to master %d of %s: %w", unix.SignalName(sig), h.PID, h.App, err)
	}
	return nil
}

// FindSwept finds the live masters of a state directory that have lost their record
// or their control socket, by what the processes call themselves. An error tells
// that there may be more.
func FindSwept(stateDir string) ([]*Handle, error) {
	fail := func(err error) ([]*Handle, error) {
		return nil, fmt.Errorf("cannot look for masters missing from %s: %w", stateDir, err)
	}
	all, err := os.ReadDir("/proc")
	if err != nil {
		return fail(err)
	}
	var found []*Handle
	for _, e := range all {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		h, err := proveMaster(stateDir, pid)
		if err != nil {
			return fail(err)
		}
		if h != nil && h.Swept() {
			found = append(found, h)
		}
	}
	return found, nil
}

// proveMaster finds out whether a process is a live master of ours that works for a
// state directory, by what it calls itself and whose it is; nil: it is none. An error
// tells that it may be one.
func proveMaster(stateDir string, pid int) (*Handle, error) {
	proc := "/proc/" + strconv.Itoa(pid)
	b, err := os.ReadFile(proc + "/cmdline")
	if appdir.Exhausted(err) {
		return nil, err
	}
	if err != nil || !bytes.HasPrefix(b, []byte(boot.Title)) {
		return nil, nil //nolint:nilerr // it is gone
	}
	args := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
	if len(args) != 2 || args[1] != stateDir {
		return nil, nil
	}
	app := strings.TrimPrefix(args[0], boot.Title)
	var st unix.Stat_t
	// What it calls itself proves little: it must be ours, too.
	if app == "" || app != filepath.Base(app) || unix.Stat(proc, &st) != nil || int(st.Uid) != os.Geteuid() {
		return nil, nil
	}
	start, err := appdir.StartTime(pid)
	if appdir.Exhausted(err) {
		return nil, err
	}
	if err != nil {
		return nil, nil //nolint:nilerr // it is gone
	}
	return &Handle{dir: control.AppDir(stateDir, app), Record: control.Record{App: app, PID: pid, StartTime: start, BootID: control.BootID()}}, nil
}
