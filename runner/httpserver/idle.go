package httpserver

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// idleAge is how long a connection must have been idle to be closed for another
// one. A younger one may have a request on its way.
const idleAge = time.Second

// maxCloseIdle is how many idle connections are closed at a time.
const maxCloseIdle = 16

// crowded tells whether clients have all the descriptors that they may, after the
// connections that have been idle longest were closed.
func (s *Server) crowded() bool {
	s.env.Files.Measure(&s.spec.Workers)
	fd, err := unix.FcntlInt(uintptr(s.loop.Descriptor()), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(fd)
		if !s.env.Files.Kept(fd) {
			return false
		}
	}
	return s.closeIdle() == 0
}

// MakeRoom closes the connections that have been idle longest, for descriptors that are
// needed for something else.
func (s *Server) MakeRoom() {
	s.env.Files.Measure(&s.spec.Workers)
	s.closeIdle()
}

// closeIdle closes the connections that have been idle longest, and returns how many
// are gone: one of HTTP/2 is only asked to go.
func (s *Server) closeIdle() int {
	var idle []*conn
	for c := range s.conns {
		if c.state == connHead && !c.begun && len(c.in) == 0 && s.loop.Now()-c.idleSince >= int64(idleAge) {
			idle = append(idle, c)
		}
	}
	slices.SortFunc(idle, func(a, b *conn) int { return cmp.Compare(a.idleSince, b.idleSince) })
	idle = idle[:min(len(idle), maxCloseIdle)]
	for _, c := range idle {
		c.close()
	}
	n, ending := len(idle), 0
	if n < maxCloseIdle {
		ending = s.CloseIdle(maxCloseIdle-n, idleAge)
	}
	if n+ending > 0 && s.mayReport(&s.closed) {
		s.log.Warn(fmt.Sprintf("the limit of open files is almost reached (%d connections are open): closing the %d that were idle longest; raise the limit of open files of the service (LimitNOFILE=)", len(s.conns)+n, n+ending))
	}
	return n
}

// mayReport tells that nothing was said of a matter for a minute.
func (s *Server) mayReport(last *int64) bool {
	if *last != 0 && s.loop.Now()-*last <= int64(time.Minute) {
		return false
	}
	*last = max(s.loop.Now(), 1)
	return true
}
