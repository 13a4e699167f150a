package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"

	"golang.org/x/sys/unix"
)

// Timeout bounds a control request that does not wait for anything.
const Timeout = 10 * time.Second

// SocketPath is where the master of a process number has its control socket; dir is
// the folder of its app's state.
func SocketPath(dir string, pid int) string {
	return filepath.Join(dir, fmt.Sprintf("master-%d.sock", pid))
}

// ShortPath returns a path to the same file that fits into a socket address
// (108 bytes), by way of an open descriptor of its folder.
func ShortPath(path string) (string, func(), error) {
	if len(path) < 100 {
		return path, func() {}, nil
	}
	fd, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", fd, filepath.Base(path)), func() { _ = unix.Close(fd) }, nil
}

// Dial connects to a control socket.
func Dial(path string) (*net.UnixConn, error) {
	short, done, err := ShortPath(path)
	if err != nil {
		return nil, err
	}
	defer done()
	return net.DialUnix("unix", nil, &net.UnixAddr{Name: short, Net: "unix"})
}

// ReadLine reads up to a newline, at most maxRequest bytes.
func ReadLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			return line, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(line) > maxRequest {
			return nil, errors.New("line too long")
		}
	}
}

// HandOff sends connections, at most MaxConns, and waits for the answer.
// Taken: the other side may have them, whatever the error says.
func HandOff(c *net.UnixConn, r *bufio.Reader, conns []Conn, fds []int) (taken bool, err error) {
	b, err := json.Marshal(&AdoptRequest{Op: "adopt", Conns: conns})
	if err != nil {
		return false, err
	}
	_ = c.SetDeadline(time.Now().Add(Timeout))
	b = append(b, '\n')
	n, _, err := c.WriteMsgUnix(b, unix.UnixRights(fds...), nil)
	if err == nil && n < len(b) {
		_, err = c.Write(b[n:])
	}
	if err != nil {
		return false, err // without its last byte it is no request
	}
	line, err := ReadLine(r)
	if err != nil {
		// Reset: the other side has gone without reading all of it.
		return !errors.Is(err, unix.ECONNRESET), err
	}
	var ans Answer
	if err := json.Unmarshal(line, &ans); err != nil {
		return true, appspec.JSONReason(err)
	}
	if ans.Error != "" {
		return false, errors.New(ans.Error)
	}
	return true, nil
}
