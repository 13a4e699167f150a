package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// dialer connects to a server. By a socket the server asks the kernel whose process
// is at the other end (peer authentication).
type dialer struct {
	as     *child.Account // whom it sees there; nil: our own user
	owners []int          // users that a server at a socket may run as: to another one no password goes
}

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	var err error
	connect := func() { conn, err = new(net.Dialer).DialContext(ctx, network, address) }
	if network != "unix" {
		connect()
		return conn, err
	}
	if ierr := impersonate(d.as, connect); ierr != nil {
		return nil, ierr
	}
	if err != nil {
		return nil, err
	}
	if err := d.proved(conn, address); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// foreignServerError is a socket behind which somebody listens whom nobody vouches for.
type foreignServerError struct {
	socket string
	uid    int
}

func (e *foreignServerError) Error() string {
	return fmt.Sprintf("who listens at %s is %s, and not the user postgres: nothing is sent to it; if this is your server, name it by host:port, with admin", e.socket, userText(e.uid))
}

// proved tells whether the server runs as one of those whom we trust.
func (d dialer) proved(conn net.Conn, address string) error {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	cerr := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(cerr, err); err != nil {
		return fmt.Errorf("cannot determine who listens at %s: %w", address, err)
	}
	if slices.Contains(d.owners, int(peer.Uid)) {
		return nil
	}
	return &foreignServerError{socket: address, uid: int(peer.Uid)}
}

func userText(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "user " + strconv.Itoa(uid)
}

// impersonate runs f on a thread that has the effective user of an account, which
// the kernel takes for the other end of what f connects. Our real user stays: the
// account can neither signal nor look into this process meanwhile.
func impersonate(a *child.Account, f func()) error {
	if a == nil || a.UID == os.Geteuid() {
		f()
		return nil
	}
	result := make(chan error, 1)
	go func() {
		// For ever: whatever comes, no other goroutine gets this thread.
		runtime.LockOSThread()
		result <- impersonateHere(a, f)
	}()
	return <-result
}

func impersonateHere(a *child.Account, f func()) (err error) {
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
		return fmt.Errorf("cannot connect as %s: %w", a, err)
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
