package sockets

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

// packetTimeout bounds one packet to or from the holder.
const packetTimeout = 5 * time.Second

func writePacket(c *net.UnixConn, verb, name string, f *os.File) error {
	_ = c.SetWriteDeadline(time.Now().Add(packetTimeout))
	text := []byte(verb + " " + name)
	if f == nil {
		_, err := c.Write(text)
		return err
	}
	return listen.Control(f, func(fd int) error {
		_, _, err := c.WriteMsgUnix(text, unix.UnixRights(fd), nil)
		return err
	})
}

func readPacket(c *net.UnixConn) (verb, name string, f *os.File, err error) {
	text, oob := make([]byte, 1024), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := c.ReadMsgUnix(text, oob)
	if err != nil {
		return "", "", nil, err
	}
	if n == 0 {
		return "", "", nil, net.ErrClosed // the other side is gone
	}
	verb, name, _ = strings.Cut(string(text[:n]), " ")
	if m > 0 {
		msgs, err := unix.ParseSocketControlMessage(oob[:m])
		if err != nil || len(msgs) != 1 {
			return "", "", nil, fmt.Errorf("cannot read a descriptor: %d messages came with it: %w", len(msgs), err)
		}
		fds, err := unix.ParseUnixRights(&msgs[0])
		if err != nil || len(fds) != 1 {
			for _, fd := range fds {
				_ = unix.Close(fd)
			}
			return "", "", nil, fmt.Errorf("cannot read a descriptor: %d came: %w", len(fds), err)
		}
		unix.CloseOnExec(fds[0])
		_ = unix.SetNonblock(fds[0], true)
		f = listen.File(fds[0], name)
	}
	return verb, name, f, nil
}
