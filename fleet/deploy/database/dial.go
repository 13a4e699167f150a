package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/user"
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
	if ierr := d.as.Impersonate("connect", connect); ierr != nil {
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
