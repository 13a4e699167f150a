package httpserver

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/ingress"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
	"github.com/wsgid-fleet/wsgid-fleet/runner/static"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// sweepEvery is how exactly the time limits of connections are kept.
const sweepEvery = 250 * time.Millisecond

// Server is the HTTP/1 side of a master: its listeners and connections. Set the
// fields, then call Listen and Accept. It belongs to the loop.
type Server struct {
	// Emptied is called when the server drains and its last connection is gone.
	Emptied func()
	// DialGate connects to the gate.
	DialGate func() (fd int, err error)
	// ServeTLS serves a connection of a gate whose client speaks TLS; it owns the
	// descriptor. peer is what the environ will say of it.
	ServeTLS func(fd int, peer wsgi.Peer, p *gate.Passed)
	// CloseIdle has connections of another ingress end that have been idle for an age, n
	// at most.
	CloseIdle func(n int, age time.Duration) (ending int)

	env   *ingress.Env
	loop  *evloop.Loop
	pool  *pool.Pool
	log   *applog.Log
	spec  *appspec.Spec // for the limits of a request
	store *unread.Store // of what clients have not read yet, by any ingress

	static  *staticFiles // nil: the app has no static blocks
	readers static.Crew  // of files that are sent and are not in memory

	listeners []*listener
	links     map[*gateLink]struct{} // of gates
	back      *gate.Link             // to the gate, for connections that are not for us; nil: not needed yet
	strays    int                    // on their way to it
	room      gate.Room
	door      door
	names     *gate.Names // that connections of gates may ask for
	conns     map[*conn]struct{}
	unlisted  []*conn // that the loop does not watch yet, or did not when they came
	listing   evloop.Timer
	sweep     evloop.Timer
	pressure  evloop.Timer // see press
	refused   int64        // when it was reported that nobody is accepted
	closed    int64        // when it was reported that idle connections are closed
	draining  bool
	left      bool       // draining, and all that was accepted is known
	successor *successor // draining: who gets the connections; nil: nobody

	rbuf   []byte // what the last read brought; a connection copies what it must keep
	wbuf   []byte // where a response is put together
	req    wsgi.Request
	parser http1.Parser // for heads that come in one piece
	opts   http1.HeadOptions
	extra  []byte // header lines of every response
	dates  http1.DateCache
	date   []byte
	dated  int64 // second of the loop's time that date was made in
}

// New makes a server that has no listeners yet.
func New(env *ingress.Env) *Server {
	s := &Server{env: env, loop: env.Loop, pool: env.Pool, log: env.Log, store: env.Store, conns: map[*conn]struct{}{},
		Emptied:   func() {},
		CloseIdle: func(int, time.Duration) int { return 0 },
		rbuf:      make([]byte, 64<<10), wbuf: make([]byte, 0, 32<<10),
	}
	s.sweep.Do = s.onSweep
	s.pressure.Do = s.onPressure
	s.listing.Do = s.BeforeSleep
	env.Press = s.press
	env.Crowded = s.crowded
	s.Configure()
	return s
}

// Configure takes over the limits of the environment, for requests from now on.
func (s *Server) Configure() {
	s.spec = s.env.Spec
	s.parser.Limits = s.env.HeadLimits()
	s.extra = s.env.ServerHeader()
	s.configureNames()
}

// readAgain parses a head that was read before, maybe under other limits.
func (s *Server) readAgain(head []byte) error {
	p := http1.Parser{Limits: http1.Most}
	n, err := p.ParseHead(head, &s.req)
	if err == nil && n == 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Accept begins to take connections.
func (s *Server) Accept() error {
	for _, ln := range s.listeners {
		if ln.open {
			continue
		}
		if err := listen.Start(ln.fd); err != nil {
			return fmt.Errorf("cannot listen on %s: %w", ln.name, err)
		}
		if err := s.loop.Add(ln.fd, unix.EPOLLIN, ln); err != nil {
			return fmt.Errorf("cannot listen on %s: %w", ln.name, err)
		}
		ln.open = true
	}
	return nil
}

// adopt serves a connection from here on; pending is what has been read of it, and good
// during the call.
func (s *Server) adopt(fd int, ln *listener, host, port string, pending []byte) {
	s.adoptAs(fd, ln, host, port, nil, pending)
}

// adoptAs is adopt for a connection that may have come by a gate.
func (s *Server) adoptAs(fd int, ln *listener, host, port string, g *gated, pending []byte) *conn {
	c := &conn{server: s, ln: ln, fd: fd, gated: g}
	c.peer = ln.peer(host, port)
	// Often the request is there already: it is tried before the event is waited for.
	c.readable = g == nil || !g.emptied
	s.begin(c, pending)
	return c
}

// begin serves a connection from its first request on, which pending is the start of.
func (s *Server) begin(c *conn, pending []byte) {
	c.state, c.keep = connHead, true
	c.out.Store = s.store
	c.idleSince = s.loop.Now()
	s.conns[c] = struct{}{}
	c.until(s.spec.Request.HeaderTimeout.D())
	if len(pending) > 0 {
		c.inPump = true // what it leads to is gone on with below
		c.feed(pending)
		c.inPump = false
	}
	c.pump()
	c.listLater()
}

// onSweep closes connections past their limits.
func (s *Server) onSweep() {
	next := int64(0)
	s.env.Files.Measure(&s.spec.Workers)
	var over []*conn
	for c := range s.conns {
		switch {
		case c.deadline == 0:
		case c.deadline <= s.loop.Now():
			over = append(over, c)
		case next == 0 || c.deadline < next:
			next = c.deadline
		}
	}
	// Oldest first: who came last may be whom a worker waits for, and without a worker
	// that waits nobody is asked to read faster.
	slices.SortFunc(over, func(a, b *conn) int { return cmp.Compare(a.deadline, b.deadline) })
	for _, c := range over {
		if c.deadline > 0 && c.deadline <= s.loop.Now() {
			c.expired()
		}
	}
	if next > 0 {
		s.loop.SetBy(&s.sweep, max(next, s.loop.Now()+int64(sweepEvery)))
	}
}

// Leave stops accepting: what waited is served, here or by another ingress.
func (s *Server) Leave() {
	if s.draining {
		return
	}
	s.draining = true
	for _, ln := range s.listeners {
		s.loop.Remove(ln.fd)
		if ln.open {
			// Where no other master has the socket too, what waits now is cut off by
			// the close.
			ln.take(maxFinalAccepts)
		}
		s.loop.Clear(&ln.again)
		_ = unix.Close(ln.fd)
	}
	s.listeners = nil
	s.leaveGates()
}

// Drain lets requests finish and closes idle connections; nothing comes any more.
func (s *Server) Drain() {
	s.Leave()
	if s.left {
		return
	}
	s.left = true
	for c := range s.conns {
		c.drain()
	}
	s.checkEmpty()
}

// Cut ends all connections now.
func (s *Server) Cut() {
	for c := range s.conns {
		c.close()
	}
}

// Connections is how many there are.
func (s *Server) Connections() int { return len(s.conns) }

// Listeners tells of each listening socket, which stays the server's.
func (s *Server) Listeners(each func(name string, fd int)) {
	for _, ln := range s.listeners {
		each(ln.name, ln.fd)
	}
}

// handsOver tells whether connections go to a successor.
func (s *Server) handsOver() bool { return s.successor != nil && !s.successor.lost }

// Empty tells whether a draining server has no connection left.
func (s *Server) Empty() bool {
	return s.left && len(s.conns) == 0 && s.strays == 0 && (s.successor == nil || s.successor.open == 0)
}

func (s *Server) checkEmpty() {
	if s.Empty() {
		s.Emptied()
	}
}

// options are those of a response on c.
func (s *Server) options(c *conn, size int64) *http1.HeadOptions {
	if sec := s.loop.Now() / int64(time.Second); s.date == nil || sec != s.dated {
		s.dated = sec
		s.date = s.dates.Line(time.Now())
	}
	proto := "HTTP/1.1"
	if c.old {
		proto = "HTTP/1.0"
	}
	s.opts = http1.HeadOptions{Proto: proto, KeepAlive: c.keep, Head: c.head, BodyLength: size, Date: s.date, Extra: s.extra, Reasons: s.spec.Debug}
	return &s.opts
}

// isTransient tells that a call may succeed later.
func isTransient(errno syscall.Errno) bool {
	return errno == syscall.EAGAIN || errno == syscall.EINTR
}
