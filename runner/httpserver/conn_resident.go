package httpserver

import (
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/runner/static"
)

// warmth is what is known of the file that is being sent.
type warmth struct {
	file     *os.File
	anyway   bool  // its file system is in memory
	from, to int64 // these bytes are in memory
	busy     bool  // more of it is being read
}

// resident implements residence: what is not in memory is read on a goroutine, and the
// loop goes on meanwhile.
func (c *conn) resident(file *os.File, off, n int64) int64 {
	w := c.warm
	if w == nil || w.file != file {
		w = &warmth{file: file, anyway: static.InMemory(int(file.Fd()))}
		c.warm = w
	}
	switch {
	case w.anyway:
		return n
	case w.busy:
		return 0
	}
	if off < w.from || off >= w.to {
		w.from, w.to = off, off+static.Resident(int(file.Fd()), off, n)
	}
	if off < w.to {
		return min(n, w.to-off)
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return n
	}
	w.busy = true
	// The client is not to blame for the wait.
	c.watched, c.deadline = 0, 0
	c.server.readers.Do(func() {
		_ = raw.Control(func(fd uintptr) { static.Warm(int(fd), off, n) })
		c.server.loop.Post(func() {
			w.busy, w.from, w.to = false, off, off+n
			if c.warm == w && c.state != connClosed && !c.out.Empty() {
				c.flush()
			}
		})
	})
	return 0
}
