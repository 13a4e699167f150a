package child

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Impersonate runs f on a thread that has the effective user of the account: f may open, change
// and connect to what the account may, and no link leads it further. It is no program that
// is started for that. Our real user stays: the account can neither signal nor look into
// this process meanwhile. what says what f does, for the error.
func (a *Account) Impersonate(what string, f func()) error {
	if a == nil || a.UID == os.Geteuid() {
		f()
		return nil
	}
	result := make(chan error, 1)
	go func() {
		// For ever: whatever comes, no other goroutine gets this thread.
		runtime.LockOSThread()
		result <- a.impersonateHere(what, f)
	}()
	return <-result
}

func (a *Account) impersonateHere(what string, f func()) (err error) {
	groups, err := unix.Getgroups()
	if err != nil {
		return fmt.Errorf("cannot read the own groups: %w", err)
	}
	uid, gid := os.Geteuid(), os.Getegid()
	// The kernel closes a process to its own user whose effective user changes.
	dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	// Not by package syscall: that changes all threads.
	defer func() {
		back := errors.Join(setThread(unix.SYS_SETRESUID, uid), setThread(unix.SYS_SETRESGID, gid), unix.Setgroups(groups))
		if dumpable == 1 {
			_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
		}
		err = errors.Join(err, back)
	}()
	err = errors.Join(unix.Setgroups(a.Groups), setThread(unix.SYS_SETRESGID, a.GID), setThread(unix.SYS_SETRESUID, a.UID))
	if err != nil {
		return fmt.Errorf("cannot %s as %s: %w", what, a, err)
	}
	f()
	return nil
}

// setThread sets the effective id of this thread; the real and the saved one stay.
func setThread(call uintptr, effective int) error {
	const same = ^uintptr(0)
	if _, _, errno := unix.RawSyscall(call, same, uintptr(effective), same); errno != 0 {
		return errno
	}
	return nil
}
