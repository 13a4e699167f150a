package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// A state directory may be swept away under running masters: by somebody who tidies
// up, by a cleaner of temporary files. A master whose record is gone cannot be found
// by it, nor reached without its socket; another one would be started beside it. It
// is found by its name among the processes, and makes both anew when it is asked by
// a signal that earlier versions ignore.

const signalRestore = unix.SIGWINCH

// restore makes the record and the control socket anew, where they are missing.
func (m *master) restore() {
	if m.ended || m.chroot != nil { // in a chroot the folder that was made anew cannot be reached
		return
	}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		m.log.Error(fmt.Sprintf("cannot make %s anew: %v", m.dir, err))
		return
	}
	if missing(controlPath(m.dir, os.Getpid())) {
		if err := m.control.rebind(); err != nil {
			m.log.Error(err.Error())
			return
		}
		m.log.Warn("the control socket was gone and is made anew")
	}
	if missing(m.record.file(m.dir)) {
		m.saveRecord()
	}
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// Swept tells that the record or the control socket of a master is gone.
func (h *Handle) Swept() bool {
	return missing(h.file(h.dir)) || missing(controlPath(h.dir, h.PID))
}

// Restore asks the master to make its record and its control socket anew.
func (h *Handle) Restore() error { return h.signal(signalRestore) }

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
		return nil, fmt.Errorf("cannot look for masters that %s has lost: %w", stateDir, err)
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
		b, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if appdir.Exhausted(err) {
			return fail(err)
		}
		if err != nil || !bytes.HasPrefix(b, []byte(MasterTitle)) {
			continue
		}
		args := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
		if len(args) != 2 || args[1] != stateDir {
			continue
		}
		app := strings.TrimPrefix(args[0], MasterTitle)
		var st unix.Stat_t
		// What it calls itself proves little: it must be ours, too.
		if app == "" || app != filepath.Base(app) || unix.Stat("/proc/"+e.Name(), &st) != nil || int(st.Uid) != os.Geteuid() {
			continue
		}
		start, err := appdir.StartTime(pid)
		if appdir.Exhausted(err) {
			return fail(err)
		}
		if err != nil {
			continue
		}
		h := &Handle{dir: appDir(stateDir, app), Record: Record{App: app, PID: pid, StartTime: start, BootID: bootID()}}
		if h.Swept() {
			found = append(found, h)
		}
	}
	return found, nil
}
