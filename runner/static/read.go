package static

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// rwfNowait has preadv2 answer EAGAIN where it would have to ask the disk.
const rwfNowait = 8

// readNow reads what is in memory already. EAGAIN: nothing is; EOPNOTSUPP: the file
// system cannot tell.
func readNow(fd int, b []byte, off int64) (int, unix.Errno) {
	iov := unix.Iovec{Base: &b[0]}
	iov.SetLen(len(b))
	n, _, errno := unix.RawSyscall6(unix.SYS_PREADV2, uintptr(fd), uintptr(unsafe.Pointer(&iov)), 1, uintptr(off), 0, rwfNowait)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// probeEvery is how far apart the bytes are that Resident asks for: readahead brings
// more at once.
const probeEvery = 128 << 10

// Resident is how many bytes of a file from off on, at most n, are in memory. Where
// the file system cannot tell it is 0.
func Resident(fd int, off, n int64) int64 {
	var b [1]byte
	for at := int64(0); at < n; at += probeEvery {
		if k, errno := readNow(fd, b[:], off+at); errno != 0 || k == 0 {
			if errno == 0 {
				return n // behind the end: who sends will notice
			}
			return at
		}
	}
	if n > 0 {
		if _, errno := readNow(fd, b[:], off+n-1); errno != 0 {
			return (n - 1) / probeEvery * probeEvery
		}
	}
	return n
}

// Warm reads a part of a file, so that it is in memory.
func Warm(fd int, off, n int64) {
	buf := make([]byte, min(n, 64<<10))
	for end := off + n; off < end; {
		k, err := unix.Pread(fd, buf[:min(int64(len(buf)), end-off)], off)
		if err == unix.EINTR {
			continue
		}
		if err != nil || k == 0 {
			return // who sends will notice
		}
		off += int64(k)
	}
}
