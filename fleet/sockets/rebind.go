package sockets

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

// A listener that moves from one address of a port to another, 0.0.0.0:80 to
// 127.0.0.1:80 say, stands in its own way: the old master has the port until the
// new one serves. The kernel lets both have it (SO_REUSEPORT) as long as both
// belong to one user. The new socket is bound here and begins to listen only
// when the new master is ready, so that none of its connections is lost if that
// never happens.

// Rebind are the sockets that were opened beside ones that stay open for now.
type Rebind struct {
	opened []*os.File          // closed by close
	theirs map[string]*os.File // of the old master, by listen string; closed by close
	old    []*os.File          // what is in the way of the opened ones
	shared bool                // with another app
}

// Open opens those of the spec's TCP sockets that none of the files serves, but
// that one of the files (by listen string) is in the way of. What it opens, it
// adds to files.
func (b *Rebind) Open(spec *appspec.Spec, files, taken map[string]*os.File) error {
	for _, s := range spec.Sockets.HTTP {
		if files[s.Listen] != nil {
			continue
		}
		want, err := resolve(s.Listen)
		if err != nil {
			continue // opening it says what is wrong
		}
		var inTheWay []*os.File
		for _, f := range taken {
			have, err := BoundTo(f)
			if err != nil || have.Port() != want.Port() || !overlap(have.Addr(), want.Addr()) {
				continue
			}
			if have.Addr() == want.Addr() { // localhost:80 and 127.0.0.1:80
				files[s.Listen] = f
			}
			inTheWay = append(inTheWay, f)
		}
		if files[s.Listen] != nil || len(inTheWay) == 0 {
			continue
		}
		for _, f := range inTheWay {
			if err := setOption(f, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
				return fmt.Errorf("cannot listen on %s beside the running master: %w", s.Listen, err)
			}
		}
		f, err := bindBeside(want)
		if err != nil {
			if errors.Is(err, unix.EADDRINUSE) {
				return &runner.TakenError{Listen: s.Listen}
			}
			return fmt.Errorf("cannot listen on %s: %w", s.Listen, err)
		}
		files[s.Listen] = f
		b.opened = append(b.opened, f)
		b.old = append(b.old, inTheWay...)
	}
	return nil
}

// Share adds a socket to files that another app listens on as well, and closes it with the rest.
func (b *Rebind) Share(listen string, f *os.File, files map[string]*os.File) {
	files[listen] = f
	b.opened = append(b.opened, f)
	b.shared = true
}

// Shared tells whether another app listens on one of the sockets as well.
func (b *Rebind) Shared() bool { return b.shared }

// handshake is how long a client may take to answer our half of it.
const handshake = 150 * time.Millisecond

// Divert has new connections go to the sockets that were opened, which listen by now.
func (b *Rebind) Divert(idle func(func())) { Divert(b.old, idle) }

// Divert turns new connections away from sockets, to others of their port, and returns
// when those that were being made are in the queues of the old ones: who has them takes
// them from there before it closes.
func Divert(old []*os.File, idle func(func())) {
	if len(old) == 0 {
		return
	}
	for _, f := range old {
		// A listening socket that is bound to another interface than a packet comes
		// by is not found for it. Without this a connection in a thousand is cut.
		_ = setOption(f, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, nowhere)
	}
	idle(func() { time.Sleep(handshake) })
}

// Keep keeps the sockets of the old master, by listen string, until close.
func (b *Rebind) Keep(theirs map[string]*os.File) { b.theirs = theirs }

// Close closes what stayed open, once.
func (b *Rebind) Close() {
	for _, f := range b.opened {
		_ = f.Close()
	}
	CloseAll(b.theirs)
}

// SuccessorOf is the listener that takes a socket's place: the one in whose way it is,
// or the first.
func SuccessorOf(its map[string]*os.File, f *os.File) string {
	listens := slices.Sorted(maps.Keys(its))
	if have, err := BoundTo(f); err == nil {
		for _, listen := range listens {
			if want, err := BoundTo(its[listen]); err == nil && want.Port() == have.Port() && overlap(want.Addr(), have.Addr()) {
				return listen
			}
		}
	}
	if len(listens) == 0 {
		return ""
	}
	return listens[0]
}

// AcceptAll takes all connections that wait at a socket.
func AcceptAll(f *os.File) (conns []*os.File) {
	_ = listen.Control(f, func(fd int) error {
		for {
			p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if n, err := unix.Poll(p, 0); err != nil || n == 0 {
				return err
			}
			c, _, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if err != nil {
				return err
			}
			conns = append(conns, os.NewFile(uintptr(c), "connection"))
		}
	})
	return conns
}

// everywhere stands for all addresses of both families: an AddrPort without an
// address.
var everywhere netip.Addr

// resolve finds the address of a TCP listen string as opening it does.
func resolve(listen string) (netip.AddrPort, error) {
	if strings.HasPrefix(listen, "unix:") || strings.HasPrefix(listen, systemd.ListenPrefix) {
		return netip.AddrPort{}, errors.New("not a TCP address")
	}
	network, address := runner.TCPAddress(listen)
	a, err := net.ResolveTCPAddr(network, address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ap := a.AddrPort()
	addr := ap.Addr().Unmap()
	if network == "tcp" && addr.IsUnspecified() {
		addr = everywhere // what package net makes of it
	}
	return netip.AddrPortFrom(addr, ap.Port()), nil
}

// BoundTo is the address of a TCP socket.
func BoundTo(f *os.File) (netip.AddrPort, error) {
	var sa unix.Sockaddr
	only := 1
	err := listen.Control(f, func(fd int) (err error) {
		if sa, err = unix.Getsockname(fd); err != nil {
			return err
		}
		if _, ok := sa.(*unix.SockaddrInet6); ok {
			only, err = unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		}
		return err
	})
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), nil
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(a.Addr).Unmap()
		if addr.IsUnspecified() && only == 0 {
			addr = everywhere
		}
		return netip.AddrPortFrom(addr, uint16(a.Port)), nil
	}
	return netip.AddrPort{}, errors.New("not a TCP socket")
}

// overlap tells whether two addresses cannot both be listened on at one port.
func overlap(a, b netip.Addr) bool {
	switch {
	case a == b:
		return true
	case a == everywhere || b == everywhere:
		return true
	case a.IsUnspecified() || b.IsUnspecified():
		return a.Is4() == b.Is4()
	}
	return false
}

// bindBeside binds a socket that shares its port, and does not listen yet.
func bindBeside(ap netip.AddrPort) (*os.File, error) {
	in6 := &unix.SockaddrInet6{Port: int(ap.Port())}
	if ap.Addr() != everywhere {
		in6.Addr = ap.Addr().As16()
	}
	family, sa := unix.AF_INET6, unix.Sockaddr(in6)
	if ap.Addr().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) && ap.Addr() == everywhere {
		return bindBeside(netip.AddrPortFrom(netip.IPv4Unspecified(), ap.Port()))
	}
	if err != nil {
		return nil, err
	}
	set := func(level, option, value int) {
		if err == nil {
			err = unix.SetsockoptInt(fd, level, option, value)
		}
	}
	set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	if family == unix.AF_INET6 {
		only := 0
		if ap.Addr() != everywhere {
			only = 1
		}
		set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only)
	}
	if err == nil {
		err = unix.Bind(fd, sa)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return listen.File(fd, ap.String()), nil
}

// nowhere is a network interface that no machine has.
const nowhere = 1<<31 - 1

func setOption(f *os.File, level, option, value int) error {
	return listen.Control(f, func(fd int) error { return unix.SetsockoptInt(fd, level, option, value) })
}
