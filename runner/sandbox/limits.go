package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
)

// MayLimit tells whether a master may set the limits of its workers: those of
// another user's process need CAP_SYS_RESOURCE (prlimit(2)), which root in a
// container often lacks. Without it a worker sets its own.
func MayLimit(u User) bool {
	if !u.Change {
		return true
	}
	return capable(unix.CAP_SYS_RESOURCE)
}

// capable tells whether this thread has one of the first 32 capabilities.
func capable(one uint) bool {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<one) != 0
}

// SetLimits sets the limits of a worker that has just been started, where mayLimit
// allows that.
func SetLimits(pid int, l appspec.Limits, log *applog.Log) {
	set := func(name string, what int, v uint64) {
		if v == 0 {
			return
		}
		if err := unix.Prlimit(pid, what, &unix.Rlimit{Cur: v, Max: v}, nil); err != nil {
			log.Warn(fmt.Sprintf("worker %d: cannot set limits.%s to %d: %v", pid, name, v, err))
		}
	}
	set("open_files", unix.RLIMIT_NOFILE, l.OpenFiles)
	set("processes", unix.RLIMIT_NPROC, l.Processes)
	set("address_space", unix.RLIMIT_AS, uint64(l.AddressSpace))
	_ = unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
}
