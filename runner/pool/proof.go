package pool

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// openChild opens a process that the application's code has named as one that it
// forked, and proves it, for root will send signals to it: its parent is the
// process that named it, all its users are those of the app, and it was alive as
// the kernel said so, so that its number means no other one.
func openChild(pid, parent, uid int) (pidfd int, err error) {
	pidfd, err = unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, fmt.Errorf("cannot watch worker %d: %w", pid, err)
	}
	ppid, uids, err := parentAndUsers(pid)
	if err == nil {
		// A number is given to another process only when this one has been reaped, and
		// then it takes no signal.
		err = unix.PidfdSendSignal(pidfd, 0, nil, 0)
	}
	if err != nil {
		_ = unix.Close(pidfd)
		return -1, fmt.Errorf("cannot watch worker %d: %w", pid, err)
	}
	if ppid != parent {
		err = lieError(fmt.Sprintf("process %d is not its child, but a child of %d", pid, ppid))
	}
	for _, u := range uids {
		if err == nil && u != uid {
			err = lieError(fmt.Sprintf("process %d runs as user %d, not as %d", pid, u, uid))
		}
	}
	if err != nil {
		_ = unix.Close(pidfd)
		return -1, err
	}
	return pidfd, nil
}

// lieError says why a process is not what it was called.
type lieError string

func (e lieError) Error() string { return string(e) }

// parentAndUsers reads a process's parent and its real, effective, saved and file
// system users.
func parentAndUsers(pid int) (ppid int, uids []int, err error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, nil, err
	}
	ppid = -1
	for line := range bytes.Lines(b) {
		key, value, _ := bytes.Cut(line, []byte{':'})
		switch string(key) { // the kernel escapes line ends in Name
		case "PPid":
			ppid, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		case "Uid":
			for f := range bytes.FieldsSeq(value) {
				u, uerr := strconv.Atoi(string(f))
				if uerr != nil {
					err = uerr
				}
				uids = append(uids, u)
			}
		}
	}
	if err == nil && (ppid < 0 || len(uids) != 4) {
		err = fmt.Errorf("its status has no PPid or Uid")
	}
	return ppid, uids, err
}

// signalGroup has pidfd_send_signal mean the process group that the process
// leads (Linux 6.9).
const signalGroup = 1 << 2

// killGroup kills what a worker that has ended has left in its process group. The
// descriptor means the group that it led whoever has its number now. On an older
// kernel it is the number that tells: of a child of ours it cannot be another's
// before we have reaped it; a template reaps its own when it likes, so that there
// the worker must still be its unreaped child.
func (w *worker) killGroup() {
	if unix.PidfdSendSignal(w.pidfd, unix.SIGKILL, nil, signalGroup) != unix.EINVAL {
		return
	}
	if w.child {
		ppid, _, err := parentAndUsers(w.pid)
		if err != nil || w.parent == nil || ppid != w.parent.proc.pid {
			return
		}
	}
	_ = unix.Kill(-w.pid, unix.SIGKILL)
}
