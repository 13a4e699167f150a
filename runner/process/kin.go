package process

import (
	"bytes"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
)

// kin finds what a process has started. While it lives, its children and theirs are
// below it. What loses its parent falls to the master (PR_SET_CHILD_SUBREAPER), or in
// a chroot to the first process there, which is the master's child: there it is known
// by its session, or, in a session of its own, by the mark in its environment.
type kin struct {
	pid  int                // of the process
	over bool               // it has been reaped: the number may be another's, but not as a session's while there is one of it
	mark string             // "NAME=value" of the environment
	own  func(pid int) bool // children of ours that are no kin of it
}

// ended collects the process itself, whose pidfd is closed, and tells how it ended and how
// many it has left behind.
func (k *kin) ended(loop *evloop.Loop, p *pool.Pool, pidfd int) (left int, ws unix.WaitStatus) {
	loop.Remove(pidfd)
	_ = unix.Close(pidfd)
	left = len(k.all()) // before its number can be another's
	_, _ = unix.Wait4(k.pid, &ws, 0, nil)
	p.ChildEnded(k.pid)
	k.over = true
	return left, ws
}

// killAll kills the process with all of it.
func (k *kin) killAll(pidfd int) {
	// Itself last: its children must not fall to us as somebody else's first.
	k.kill()
	_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
}

// all are the processes of it that have not ended, without itself.
func (k *kin) all() []int {
	var found []int
	if !k.over {
		for _, pid := range appdir.ChildrenOf(tasksOf(k.pid)) {
			found = walk(found, pid, func(int) bool { return true })
		}
	}
	for _, pid := range appdir.ChildrenOf("/proc/self/task") {
		if (k.over || pid != k.pid) && !k.own(pid) {
			found = walk(found, pid, k.is)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// walk adds pid and what is below it, from where is says so on.
func walk(found []int, pid int, is func(int) bool) []int {
	state, _, err := appdir.StateAndSession(pid)
	if err != nil {
		return found
	}
	if is(pid) {
		if state != 'Z' && state != 'X' {
			found = append(found, pid)
		}
		is = func(int) bool { return true }
	}
	for _, child := range appdir.ChildrenOf(tasksOf(pid)) {
		found = walk(found, child, is)
	}
	return found
}

// is tells whether a process that has lost its parent was of it.
func (k *kin) is(pid int) bool {
	if _, session, err := appdir.StateAndSession(pid); err == nil && session == k.pid {
		return true
	}
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		if string(kv) == k.mark {
			return true
		}
	}
	return false
}

// kill kills what all finds, and returns how much that was. A number is proved again
// when the process is held by a descriptor, so that it is nobody else's.
func (k *kin) kill() int {
	found := k.all()
	held := make(map[int]int, len(found))
	for _, pid := range found {
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			held[pid] = fd
		}
	}
	for _, pid := range k.all() {
		if fd, ok := held[pid]; ok {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}
	}
	for _, fd := range held {
		_ = unix.Close(fd)
	}
	return len(found)
}

func tasksOf(pid int) string { return "/proc/" + strconv.Itoa(pid) + "/task" }
