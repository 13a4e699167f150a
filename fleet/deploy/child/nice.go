package child

import (
	"context"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
)

type niceKey struct{}

// longTurn is the turn on a CPU, in nanoseconds, that is asked for by what stands back.
// Since Linux 6.12 whoever wakes and asks for a shorter one, which all do that ask for
// none, need not wait until it is over; older kernels take no notice. With a hundred
// milliseconds those who have had their share waited as long as before.
const longTurn = 10_000_000

// Nicer is a context by which commands leave the CPU to others: those who serve while
// a deploy is under way. by is added to their nice value; 0: as this process.
func Nicer(ctx context.Context, by int) context.Context {
	return context.WithValue(ctx, niceKey{}, by)
}

func niceOf(ctx context.Context) int {
	by, _ := ctx.Value(niceKey{}).(int)
	return by
}

// Start starts what Prepare has prepared.
func Start(ctx context.Context, cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	standBack(ctx, cmd.Process.Pid)
	return nil
}

// standBack makes a process that was just started, and all that it starts, nicer, and
// its session. One that was started from aside is nicer already.
func standBack(ctx context.Context, pid int) {
	by := niceOf(ctx)
	if by <= 0 {
		return
	}
	standBackAsSession(pid, by)
	if !isAside(ctx) {
		standBackThread(pid, by)
	}
}

// standBackThread makes a thread, and all that it starts from now, nicer. As a batch
// process (sched(7)) it does not take the CPU from one that serves whenever it wakes,
// but when its turn comes; its turns are long ones, which those who serve may end.
// Anybody may do so; what does not only takes more of the CPU.
func standBackThread(tid, by int) bool {
	attr, err := unix.SchedGetAttr(tid, 0)
	if err != nil {
		return false
	}
	attr.Nice = min(attr.Nice+int32(by), 19)
	if attr.Policy == unix.SCHED_NORMAL {
		attr.Policy = unix.SCHED_BATCH
	}
	attr.Runtime = longTurn
	if unix.SchedSetAttr(tid, attr, 0) != nil { // some sandboxes do without that call
		return unix.Setpriority(unix.PRIO_PROCESS, tid, int(attr.Nice)) == nil
	}
	return true
}

// standBackAsSession does the same for the session that a process leads: outside of
// control groups the kernel divides the CPU among sessions first (sched(7), the
// autogroup feature), and a nice value counts only within one.
func standBackAsSession(pid, by int) {
	if by > 0 {
		_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/autogroup", []byte(strconv.Itoa(by)), 0)
	}
}
