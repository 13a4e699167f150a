package evloop

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Accept accepts a connection and tells the client's address, which is not valid for a unix
// socket. (unix.Accept4 costs a second call.)
func Accept(fd int) (conn int, peer netip.AddrPort, errno syscall.Errno) {
	var sa rawAddress
	size := uint32(unsafe.Sizeof(sa))
	r, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&sa)),
		uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, netip.AddrPort{}, errno
	}
	return int(r), sa.addrPort(), 0
}

// Local is the address of a socket's own end, an IPv4 one as such; not valid: it has none,
// as a unix socket. (unix.Getsockname costs a second call, for the protocol.)
func Local(fd int) netip.AddrPort { return addressOf(unix.SYS_GETSOCKNAME, fd) }

// Peer is Local of the other end; not valid also: there is none any more.
func Peer(fd int) netip.AddrPort { return addressOf(unix.SYS_GETPEERNAME, fd) }

func addressOf(call uintptr, fd int) netip.AddrPort {
	var sa rawAddress
	size := uint32(unsafe.Sizeof(sa))
	_, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return netip.AddrPort{}
	}
	return sa.addrPort()
}

// rawAddress is the largest of the families that we listen on, but for unix, whose name
// we do not want.
type rawAddress unix.RawSockaddrInet6

func (a *rawAddress) addrPort() netip.AddrPort {
	switch a.Family {
	case unix.AF_INET:
		a4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		return netip.AddrPortFrom(netip.AddrFrom4(a4.Addr), inHostOrder(a4.Port))
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), inHostOrder(a.Port))
	}
	return netip.AddrPort{}
}

// inHostOrder is a port that lies in memory in network order.
func inHostOrder(p uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&p))[:])
}

// HostPort are the parts of an address, as the environ has them; both are empty where it
// is not valid.
func HostPort(ap netip.AddrPort) (host, port string) {
	if !ap.IsValid() {
		return "", ""
	}
	return ap.Addr().String(), strconv.Itoa(int(ap.Port()))
}
