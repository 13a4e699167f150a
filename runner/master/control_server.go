package master

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/latch"
)

// controlled is a process with a control socket.
type controlled interface {
	// state runs on the loop, as wait does, which has a channel closed at the next
	// change of state.
	state() control.Status
	wait(changed chan struct{})
	// adoptHanded takes over a connection of the process before it. It runs on the loop.
	adoptHanded(fd int, h *control.Conn)
	// order carries one request out; any goroutine calls it. The descriptors returned
	// are duplicates; those that came with the request are its own from here on.
	order(req *control.Request, fds []int) (ans control.Answer, files []int)
}

// controlServer answers on a master's control socket. A client that hangs or
// sends rubbish costs its own connection only.
type controlServer struct {
	of   controlled
	dir  string // <state>/apps/<app>
	loop *evloop.Loop
	log  *applog.Log
	mu   sync.Mutex
	ln   *net.UnixListener          // guarded by mu
	open map[*net.UnixConn]struct{} // guarded by mu
	over bool                       // guarded by mu

	answering latch.Latch // requests, other than those that wait for a change
}

func newControlServer(of controlled, dir string, l *evloop.Loop, log *applog.Log) (*controlServer, error) {
	ln, err := listenControl(dir)
	if err != nil {
		return nil, err
	}
	return &controlServer{of: of, dir: dir, loop: l, log: log, ln: ln, open: map[*net.UnixConn]struct{}{}}, nil
}

// rebind listens at the path anew, as the socket's file is gone.
func (s *controlServer) rebind() error {
	ln, err := listenControl(s.dir)
	if err != nil {
		return err
	}
	s.mu.Lock()
	old := s.ln
	s.ln = ln
	s.mu.Unlock()
	go s.serve()
	return old.Close()
}

func (s *controlServer) listener() *net.UnixListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ln
}

func listenControl(dir string) (*net.UnixListener, error) {
	path := control.SocketPath(dir, os.Getpid())
	_ = os.Remove(path)
	short, done, err := control.ShortPath(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open control socket %s: %w", path, err)
	}
	defer done()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot open control socket %s: %w", path, err)
	}
	ln.SetUnlinkOnClose(false)
	// The folder is 0700 already; this is the second lock.
	_ = os.Chmod(path, 0o600)
	return ln, nil
}

func (s *controlServer) serve() {
	ln := s.listener()
	const least, most = 10 * time.Millisecond, time.Second
	wait := least
	for {
		c, err := ln.AcceptUnix()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Such as too many open files: others end meanwhile.
			if wait == least {
				s.log.Error(fmt.Sprintf("cannot accept on the control socket: %v; raise the limit of open files of the service (LimitNOFILE=)", err))
			}
			time.Sleep(wait)
			wait = min(2*wait, most)
			continue
		}
		wait = least
		s.mu.Lock()
		if s.over {
			_ = c.Close()
		} else {
			s.open[c] = struct{}{}
			go s.handle(c)
		}
		s.mu.Unlock()
	}
}

// close ends the server and the connections of clients that wait. Who asked for
// the end gets his answer first.
func (s *controlServer) close() {
	_ = s.listener().Close()
	s.answering.ShutAndWait()
	s.mu.Lock()
	s.over = true
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
}

func (s *controlServer) handle(c *net.UnixConn) {
	defer func() {
		_ = c.Close()
		s.mu.Lock()
		delete(s.open, c)
		s.mu.Unlock()
	}()
	r := control.NewRightsReader(c)
	// What came with a request that was cut off has nobody else to close it.
	defer func() { evloop.CloseAll(r.Take()) }()
	dec := bufio.NewReader(r)
	for {
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		line, err := control.ReadLine(dec)
		if err != nil {
			return
		}
		var req control.Request
		var ans control.Answer
		var files []int
		counted := false
		if err := json.Unmarshal(line, &req); err != nil || req.Op == "" {
			req = control.Request{}
			ans.Error = fmt.Sprintf("cannot read request: %v", appspec.JSONReason(err))
		} else if req.Op == "adopt" {
			s.adopt(c, line, r.Take())
			continue
		} else {
			counted = req.Since == 0 && s.answering.Enter()
			ans, files = s.answer(c, &req, r.Take())
		}
		b, _ := json.Marshal(&ans)
		_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second))
		var oob []byte
		if len(files) > 0 {
			oob = unix.UnixRights(files...)
		}
		_, _, err = c.WriteMsgUnix(append(b, '\n'), oob, nil)
		evloop.CloseAll(files)
		if counted {
			s.answering.Leave()
		}
		if err != nil {
			return
		}
	}
}

// answer carries one request out; the descriptors are as those of order.
func (s *controlServer) answer(c *net.UnixConn, req *control.Request, fds []int) (ans control.Answer, files []int) {
	if req.Op == "status" {
		evloop.CloseAll(fds)
		st := s.status(c, req.Since)
		ans.Status = &st
		return ans, nil
	}
	if req.Op == "ping" {
		evloop.CloseAll(fds)
		// Who is stuck does not answer.
		s.loop.Call(func() {
			if req.Totals {
				st := s.of.state()
				t := st.Totals()
				ans.Totals = &t
			}
		})
		return ans, nil
	}
	return s.of.order(req, fds)
}

// status returns the state, once its version is past since; it gives up when
// the client does.
func (s *controlServer) status(c *net.UnixConn, since uint64) (st control.Status) {
	gone := make(chan struct{})
	if since > 0 {
		go func() {
			defer close(gone)
			var b [1]byte
			_ = c.SetReadDeadline(time.Time{})
			_, _ = c.Read(b[:]) // the client says no more; it closes when it has waited enough
		}()
	}
	for {
		var wait chan struct{}
		alive := s.loop.Call(func() {
			if st = s.of.state(); since > 0 && st.Version <= since {
				wait = make(chan struct{})
				s.of.wait(wait)
			}
		})
		if wait == nil || !alive {
			return st
		}
		select {
		case <-wait:
		case <-gone:
			return st
		case <-s.loop.Done():
			return st
		}
	}
}
