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
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
)

// A state directory may be swept away under running masters: by somebody who tidies
// up, by a cleaner of temporary files. A master whose record is gone cannot be found
// by it, nor reached without its socket; another one would be started beside it. It
// is found by its name among the processes, and makes both anew when it is asked by
// a signal that earlier versions ignore.

const signalRestore = unix.SIGWINCH

// restore makes what is gone of the state directory anew: the Python host, from which
// the next worker is started, the record and the control socket. What of it waits for
// a disk or for the spawner is off the loop.
func (m *master) restore() {
	if m.ended || m.restoring {
		return
	}
	m.restoring = true
	go func() {
		data, err := m.remake()
		m.loop.Post(func() {
			m.restoring = false
			if data != nil {
				m.data, data = data, m.data
			}
			if data != nil {
				_ = data.Close()
			}
			if err != nil {
				m.log.Error(fmt.Sprintf("cannot make %s anew: %v; until it is there, no worker can be replaced: wsgid-fleet restart %s starts another master", m.boot.StateDir, err, m.spec.Name))
			}
			m.noteAnew()
		})
	}()
}

// remake makes the folders of the state directory anew, and opens the data directory
// again, which may have been swept away, too.
func (m *master) remake() (data *os.Root, err error) {
	folders := func() {
		if err = remakeFolders(m.boot, m.dir); err == nil {
			data = openData(m.boot)
		}
	}
	if m.chroot == nil {
		folders()
		return data, err
	}
	m.chroot.OnHost(folders)
	if err == nil {
		err = m.chroot.Remount(m.dir, m.boot.HostDir, m.spawner.There)
	}
	return data, err
}

func remakeFolders(boot bootMessage, dir string) error {
	if err := os.MkdirAll(boot.StateDir, 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	_, err := sandbox.LayOutHost(boot.StateDir, boot.User)
	return err
}

// noteAnew makes the record and the control socket anew, where they are missing or
// damaged. It runs on the loop.
func (m *master) noteAnew() {
	if m.ended {
		return
	}
	if missing(control.SocketPath(m.dir, os.Getpid())) {
		if err := m.control.rebind(); err != nil {
			m.log.Error(err.Error())
			return
		}
		m.log.Warn("the control socket was gone and is made anew")
	}
	if !m.record.Intact(m.dir) {
		m.saveRecord()
	}
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// Swept tells that the record or the control socket of a master is gone, or that the
// record is damaged.
func (h *Handle) Swept() bool {
	return !h.Intact(h.dir) || missing(control.SocketPath(h.dir, h.PID))
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
	if err != nil || !bytes.HasPrefix(b, []byte(MasterTitle)) {
		return nil, nil //nolint:nilerr // it is gone
	}
	args := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
	if len(args) != 2 || args[1] != stateDir {
		return nil, nil
	}
	app := strings.TrimPrefix(args[0], MasterTitle)
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
	return &Handle{dir: appDir(stateDir, app), Record: control.Record{App: app, PID: pid, StartTime: start, BootID: control.BootID()}}, nil
}
