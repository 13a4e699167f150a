package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// Lowered is what a process was lowered from and by how much. Zero: it was not.
type Lowered struct{ from, by int }

// MayRaise tells whether a master may give a worker back the priority that Lower has
// taken: whoever lowers needs nothing for it, who raises needs CAP_SYS_NICE
// (setpriority(2)), which root in a container often lacks.
func MayRaise() bool { return capable(unix.CAP_SYS_NICE) }

// Lower has a process that has just been started stand back by a nice value.
func Lower(pid, by int) Lowered {
	from, err := niceOf(pid)
	if err != nil || by <= 0 {
		return Lowered{}
	}
	l := Lowered{from: from, by: min(by, lowest-from)}
	if l.by <= 0 || unix.Setpriority(unix.PRIO_PROCESS, pid, from+l.by) != nil {
		return Lowered{}
	}
	return l
}

// lowest is the highest nice value.
const lowest = 19

// mostThreads bounds what Raise raises, for it is done on the loop of the master.
const mostThreads = 1000

// Raise undoes Lower for all that the process has started since: its threads and its
// children. What they have taken from their priority themselves stays taken.
func (l Lowered) Raise(pid int) error {
	if l.by == 0 {
		return nil
	}
	left := mostThreads
	return l.raise(pid, &left)
}

func (l Lowered) raise(pid int, left *int) error {
	tasks := fmt.Sprintf("/proc/%d/task", pid)
	done := map[int]bool{}
	// Until none is new: one that was not raised yet may have started another.
	for again := true; again; {
		again = false
		names, err := os.ReadDir(tasks)
		if err != nil {
			return nil // it has ended
		}
		for _, e := range names {
			tid, err := strconv.Atoi(e.Name())
			if err != nil || done[tid] || *left == 0 {
				continue
			}
			again, done[tid] = true, true
			*left--
			nice, err := niceOf(tid)
			if err != nil || nice < l.from+l.by {
				continue // started by one that was raised
			}
			if err := unix.Setpriority(unix.PRIO_PROCESS, tid, nice-l.by); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("cannot restore the priority of process %d: %w", pid, err)
			}
		}
	}
	for _, child := range appdir.ChildrenOf(tasks) {
		if err := l.raise(child, left); err != nil {
			return err
		}
	}
	return nil
}

// niceOf is the nice value of a thread.
func niceOf(tid int) (int, error) {
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
	return 20 - raw, err // the system call has no negative results
}
