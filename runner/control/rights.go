package control

import (
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// RightsReader reads a unix connection and keeps the descriptors that come
// with the bytes.
type RightsReader struct {
	c   *net.UnixConn
	oob []byte
	fds []int
}

// NewRightsReader reads from a connection.
func NewRightsReader(c *net.UnixConn) *RightsReader {
	return &RightsReader{c: c, oob: make([]byte, unix.CmsgSpace(4*256))}
}

// Read implements io.Reader.
func (r *RightsReader) Read(b []byte) (int, error) {
	n, oobn, _, _, err := r.c.ReadMsgUnix(b, r.oob)
	if oobn > 0 {
		msgs, perr := unix.ParseSocketControlMessage(r.oob[:oobn])
		if perr == nil {
			for i := range msgs {
				if fds, err := unix.ParseUnixRights(&msgs[i]); err == nil {
					for _, fd := range fds {
						unix.CloseOnExec(fd)
					}
					r.fds = append(r.fds, fds...)
				}
			}
		}
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

// Take returns the descriptors received so far; they are the caller's.
func (r *RightsReader) Take() []int {
	fds := r.fds
	r.fds = nil
	return fds
}
