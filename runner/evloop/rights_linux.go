package evloop

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MaxRights is how many descriptors go with one datagram.
const MaxRights = 16

// rightsSpace is what a control message with so many takes; rightsHead is its head, which
// is aligned as what follows it is.
const (
	rightsHead  = unix.SizeofCmsghdr
	rightsSpace = rightsHead + 4*MaxRights
)

// Receiver is a reusable recvmsg(2) of one datagram and the descriptors that come with it.
type Receiver struct {
	buf  []byte
	oob  [(rightsSpace + 7) / 8]uint64
	fds  []int
	iov  unix.Iovec
	head unix.Msghdr
}

// NewReceiver receives up to size bytes at once.
func NewReceiver(size int) *Receiver {
	return &Receiver{buf: make([]byte, size)}
}

// Recv returns the datagram and the descriptor that came with it, -1 where none
// did; any other is closed: a worker has no business to send more. The slice is good until
// the next call.
func (r *Receiver) Recv(fd int) (msg []byte, passed int, errno syscall.Errno) {
	msg, fds, errno := r.RecvAll(fd)
	if len(fds) == 0 {
		return msg, -1, errno
	}
	CloseAll(fds[1:])
	return msg, fds[0], errno
}

// RecvAll returns the datagram and the descriptors that came with it. Both slices are good
// until the next call.
func (r *Receiver) RecvAll(fd int) (msg []byte, fds []int, errno syscall.Errno) {
	r.iov.Base = &r.buf[0]
	r.iov.SetLen(len(r.buf))
	oob := (*[len(r.oob) * 8]byte)(unsafe.Pointer(&r.oob))
	r.head = unix.Msghdr{Iov: &r.iov, Control: &oob[0]}
	r.head.SetIovlen(1)
	r.head.SetControllen(len(oob))
	n, _, errno := syscall.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.head)),
		unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if errno != 0 {
		return nil, nil, errno
	}
	r.fds = appendRights(r.fds[:0], oob[:min(int(r.head.Controllen), len(oob))])
	return r.buf[:n], r.fds, 0
}

// appendRights adds the descriptors of control messages.
func appendRights(fds []int, oob []byte) []int {
	for len(oob) >= rightsHead {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
		n := int(h.Len)
		if n < rightsHead || n > len(oob) {
			break
		}
		if h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_RIGHTS {
			for data := oob[rightsHead:n]; len(data) >= 4; data = data[4:] {
				fds = append(fds, int(int32(binary.NativeEndian.Uint32(data))))
			}
		}
		oob = oob[min((n+7)&^7, len(oob)):]
	}
	return fds
}

// SendRights is Send of a datagram with descriptors, at most MaxRights; there may be none.
func SendRights(fd int, b []byte, fds []int) syscall.Errno {
	var iov unix.Iovec
	iov.Base = &b[0]
	iov.SetLen(len(b))
	var h unix.Msghdr
	h.Iov = &iov
	h.SetIovlen(1)
	var space [(rightsSpace + 7) / 8]uint64
	if len(fds) > 0 {
		oob := (*[len(space) * 8]byte)(unsafe.Pointer(&space))
		c := (*unix.Cmsghdr)(unsafe.Pointer(&space))
		c.Level, c.Type = unix.SOL_SOCKET, unix.SCM_RIGHTS
		c.SetLen(rightsHead + 4*len(fds))
		for i, right := range fds {
			binary.NativeEndian.PutUint32(oob[rightsHead+4*i:], uint32(right))
		}
		h.Control = &oob[0]
		h.SetControllen((rightsHead + 4*len(fds) + 7) &^ 7)
	}
	_, _, errno := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	return errno
}
