package runner

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/latch"
)

// maxControlRequest bounds one request on the control socket in bytes.
const maxControlRequest = 64 << 20

// controlRequest is one line of JSON from a client of the control socket.
type controlRequest struct {
	Op         string        `json:"op"`
	Since      uint64        `json:"since,omitempty"`
	Spec       *appspec.Spec `json:"spec,omitempty"`
	Generation int           `json:"generation,omitempty"`
	Rolling    bool          `json:"rolling,omitempty"`
	Min        int           `json:"min,omitempty"`
	Max        int           `json:"max,omitempty"`
	Successor  string        `json:"successor,omitempty"` // control socket of the master that takes over
}

// controlAnswer is the line that answers it. Descriptors, if any, come with
// its first byte.
type controlAnswer struct {
	Error     string   `json:"error,omitempty"`
	Status    *Status  `json:"status,omitempty"`
	Listeners []string `json:"listeners,omitempty"` // names of the descriptors
}

// controlled is a process with a control socket.
type controlled interface {
	// state runs on the loop, as wait does, which has a channel closed at the next
	// change of state.
	state() Status
	wait(changed chan struct{})
	// adoptHanded takes over a connection of the process before it. It runs on the loop.
	adoptHanded(fd int, h *handedConn)
	// order carries one request out; any goroutine calls it. The descriptors returned
	// are duplicates; those that came with the request are its own from here on.
	order(req *controlRequest, fds []int) (ans controlAnswer, files []int)
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

func controlPath(dir string, pid int) string {
	return filepath.Join(dir, fmt.Sprintf("master-%d.sock", pid))
}

// shortPath returns a path to the same file that fits into a socket address
// (108 bytes), by way of an open descriptor of its folder.
func shortPath(path string) (string, func(), error) {
	if len(path) < 100 {
		return path, func() {}, nil
	}
	fd, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", fd, filepath.Base(path)), func() { _ = unix.Close(fd) }, nil
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
	path := controlPath(dir, os.Getpid())
	_ = os.Remove(path)
	short, done, err := shortPath(path)
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
	r := newRightsReader(c)
	// What came with a request that was cut off has nobody else to close it.
	defer func() { closeAll(r.take()) }()
	dec := bufio.NewReader(r)
	for {
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		line, err := readLine(dec, maxControlRequest)
		if err != nil {
			return
		}
		var req controlRequest
		var ans controlAnswer
		var files []int
		counted := false
		if err := json.Unmarshal(line, &req); err != nil || req.Op == "" {
			req = controlRequest{}
			ans.Error = fmt.Sprintf("cannot read request: %v", err)
		} else if req.Op == "adopt" {
			s.adopt(c, line, r.take())
			continue
		} else {
			counted = req.Since == 0 && s.answering.Enter()
			ans, files = s.answer(c, &req, r.take())
		}
		b, _ := json.Marshal(&ans)
		_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second))
		var oob []byte
		if len(files) > 0 {
			oob = unix.UnixRights(files...)
		}
		_, _, err = c.WriteMsgUnix(append(b, '\n'), oob, nil)
		closeAll(files)
		if counted {
			s.answering.Leave()
		}
		if err != nil {
			return
		}
	}
}

// readLine reads up to a newline, at most limit bytes.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
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
		if len(line) > limit {
			return nil, errors.New("line too long")
		}
	}
}

// answer carries one request out; the descriptors are as those of order.
func (s *controlServer) answer(c *net.UnixConn, req *controlRequest, fds []int) (ans controlAnswer, files []int) {
	if req.Op == "status" {
		closeAll(fds)
		st := s.status(c, req.Since)
		ans.Status = &st
		return ans, nil
	}
	return s.of.order(req, fds)
}

// status returns the state, once its version is past since; it gives up when
// the client does.
func (s *controlServer) status(c *net.UnixConn, since uint64) (st Status) {
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
