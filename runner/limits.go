package runner

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// mayLimit tells whether a master may set the limits of its workers: those of
// another user's process need CAP_SYS_RESOURCE (prlimit(2)), which root in a
// container often lacks. Without it a worker sets its own.
func mayLimit(u workerUser) bool {
	if !u.Change {
		return true
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}

// ownLimits are those that a worker has to set itself.
func (s *spawner) ownLimits(l appspec.Limits) wsgi.Limits {
	if s.mayLimit {
		return wsgi.Limits{}
	}
	return wsgi.Limits{OpenFiles: l.OpenFiles, Processes: l.Processes, AddressSpace: uint64(l.AddressSpace)}
}

// limit sets the limits of a worker that has just been started.
func (s *spawner) limit(pid int, l appspec.Limits) {
	if !s.mayLimit {
		return
	}
	set := func(name string, what int, v uint64) {
		if v == 0 {
			return
		}
		if err := unix.Prlimit(pid, what, &unix.Rlimit{Cur: v, Max: v}, nil); err != nil {
			s.log.Warn(fmt.Sprintf("worker %d: cannot set limits.%s to %d: %v", pid, name, v, err))
		}
	}
	set("open_files", unix.RLIMIT_NOFILE, l.OpenFiles)
	set("processes", unix.RLIMIT_NPROC, l.Processes)
	set("address_space", unix.RLIMIT_AS, uint64(l.AddressSpace))
	_ = unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
}
