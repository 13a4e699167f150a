package runner

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
	"github.com/wsgid-fleet/wsgid-fleet/runner/static"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// sweepEvery is how exactly the time limits of connections are kept.
const sweepEvery = 250 * time.Millisecond

// front is the HTTP/1 side of a master: its listeners and connections. It
// belongs to the loop.
type front struct {
	loop *evloop.Loop
	pool *pool.Pool
	log  *applog.Log
	spec *appspec.Spec // for the limits of a request

	trusted    atomic.Pointer[[]netip.Prefix] // read by the bridge's goroutines too
	believes   atomic.Uint32                  // of request.trusted_headers, as wsgi.Believed
	mount      atomic.Pointer[string]         // of the spec, see wsgi.Peer
	trustsUnix atomic.Bool                    // whoever may connect to a unix socket is a trusted proxy
	spool      string                         // folder for temporary files
	store      *unread.Store                  // of what clients have not read yet, by any ingress

	static  *staticFiles // nil: the app has no static blocks
	readers static.Crew  // of files that are sent and are not in memory

	listeners []*listener
	links     map[*gateLink]struct{} // of gates
	back      *gate.Link             // to the gate, for connections that are not for us; nil: not needed yet
	strays    int                    // on their way to it
	dialGate  func() (fd int, err error)
	room      gate.Room
	conns     map[*conn]struct{}
	sweep     evloop.Timer
	pressure  evloop.Timer // see press
	fds       fdLimit
	shedMore  func(n int) (closed, ending int) // closes idle connections of another ingress, or has them end
	serveTLS  func(fd int, p *gate.Passed)     // a connection whose client speaks TLS; it owns the descriptor
	draining  bool
	left      bool   // draining, and all that was accepted is known
	heir      *heir  // draining: who gets the connections; nil: nobody
	emptied   func() // draining, and the last connection is gone

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

func newFront(l *evloop.Loop, p *pool.Pool, log *applog.Log, spec *appspec.Spec) *front {
	f := &front{loop: l, pool: p, log: log, conns: map[*conn]struct{}{}, emptied: func() {},
		rbuf: make([]byte, 64<<10), wbuf: make([]byte, 0, 32<<10),
	}
	f.sweep.Do = f.onSweep
	f.pressure.Do = f.onPressure
	f.shedMore = func(int) (int, int) { return 0, 0 }
	f.store = &unread.Store{Open: f.tempFile, Kept: f.fds.kept, Fault: func(err error) {
		log.Error(fmt.Sprintf("what slow clients have not read waits in memory alone, and past request.response_buffer their workers wait too: %v", err))
	}}
	f.configure(spec)
	return f
}

// configure takes over the limits of a request, for requests from now on.
func (f *front) configure(spec *appspec.Spec) {
	if spec.Request.ResponseBuffer == 0 {
		// It was kept by a version that did not know these limits.
		known := appspec.Default("", "").Request
		s := *spec
		s.Request.ResponseBuffer, s.Request.Spool, s.Request.MinRate = known.ResponseBuffer, known.Spool, known.MinRate
		spec = &s
	}
	f.spec = spec
	f.fds.measure(&spec.Workers)
	f.store.Limit(int64(spec.Request.ResponseBuffer), int64(spec.Request.Spool))
	var trusted []netip.Prefix
	onUnix := false
	for _, s := range spec.Request.TrustedProxies {
		if s == "unix" {
			onUnix = true
		} else if p, err := netip.ParsePrefix(s); err == nil {
			trusted = append(trusted, p)
		} else if a, err := netip.ParseAddr(s); err == nil {
			trusted = append(trusted, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	f.trusted.Store(&trusted)
	f.trustsUnix.Store(onUnix)
	f.believes.Store(uint32(wsgi.BelievedHeaders(spec.Request.TrustedHeaders)))
	mount := spec.Mount()
	f.mount.Store(&mount)
	f.parser.Limits = headLimits(spec)
	f.extra = serverHeader(spec)
}

// headLimits are those of a request's head.
func headLimits(spec *appspec.Spec) http1.Limits {
	r := &spec.Request
	return http1.Limits{MaxLine: int(r.MaxLine), MaxHead: int(r.MaxHead), MaxFields: r.MaxHeaders}
}

// readAgain parses a head that was read before, maybe under other limits.
func (f *front) readAgain(head []byte) error {
	p := http1.Parser{Limits: http1.Most}
	n, err := p.ParseHead(head, &f.req)
	if err == nil && n == 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// serverHeader is the line of every response that names us.
func serverHeader(spec *appspec.Spec) []byte {
	if !spec.ServerHeader {
		return nil
	}
	return []byte("X-Wsgid: " + Version + "\r\n")
}

// believed is what of a trusted proxy's headers counts.
func (f *front) believed() wsgi.Believed { return wsgi.Believed(f.believes.Load()) }

// trusts tells whether an address is one of request.trusted_proxies. A unix
// socket has no address; its proxies are "unix" there.
func (f *front) trusts(addr string) bool {
	trusted := *f.trusted.Load()
	if addr == "" {
		return f.trustsUnix.Load()
	}
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return false
	}
	a = a.Unmap()
	for _, p := range trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// listener is one listening socket.
type listener struct {
	front  *front
	name   string // the listen string of the spec
	fd     int
	unix   bool
	adopts bool   // no client connects to it but gates
	host   string // for SERVER_NAME where a request names none
	port   string
	open   bool         // it accepts
	again  evloop.Timer // resting until then
}

// listen takes a listening socket over; the front owns the descriptor.
func (f *front) listen(name string, fd int, adopts bool) error {
	ln := &listener{front: f, name: name, fd: fd, adopts: adopts}
	if strings.HasPrefix(name, "unix:") {
		ln.unix = true
		ln.host = "localhost"
	} else if sa, err := unix.Getsockname(fd); err == nil {
		_, ln.host, ln.port = addrOf(sa)
		if a, err := netip.ParseAddr(ln.host); err == nil && a.IsUnspecified() {
			ln.host, _ = os.Hostname()
		}
		ln.unix = ln.port == ""
		// Inherited by the connections.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return fmt.Errorf("cannot listen on %s: %w", name, err)
	}
	f.listeners = append(f.listeners, ln)
	return nil
}

// accept begins to take connections.
func (f *front) accept() error {
	for _, ln := range f.listeners {
		if ln.open {
			continue
		}
		if err := listen.Start(ln.fd); err != nil {
			return fmt.Errorf("cannot listen on %s: %w", ln.name, err)
		}
		if err := f.loop.Add(ln.fd, unix.EPOLLIN, ln); err != nil {
			return fmt.Errorf("cannot listen on %s: %w", ln.name, err)
		}
		ln.open = true
	}
	return nil
}

// addrOf returns the parts of a socket address.
func addrOf(sa unix.Sockaddr) (isUnix bool, host, port string) {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return false, netip.AddrFrom4(a.Addr).String(), strconv.Itoa(a.Port)
	case *unix.SockaddrInet6:
		return false, netip.AddrFrom16(a.Addr).Unmap().String(), strconv.Itoa(a.Port)
	}
	return true, "", ""
}

// OnEvents accepts what waits, a few at a time so that others get their turn.
func (ln *listener) OnEvents(uint32) { ln.take(16) }

// lastAccepts bounds what is accepted when a listener is closed.
const lastAccepts = 4096

// take accepts at most n connections.
func (ln *listener) take(n int) {
	for range n {
		fd, host, port, err := evloop.Accept(ln.fd)
		if err != 0 {
			if evloop.IsExhausted(err) {
				ln.rest(err)
			}
			return
		}
		if ln.adopts {
			ln.link(fd)
		} else {
			ln.front.adopt(fd, ln, host, port, nil)
		}
		if ln.front.fds.kept(fd) && ln.front.crowded() {
			ln.rest(unix.EMFILE)
			return
		}
	}
}

// acceptAgain is how long a listener rests when there are no descriptors.
const acceptAgain = 200 * time.Millisecond

// rest stops accepting for a moment: clients wait in the kernel's queue.
func (ln *listener) rest(err error) {
	l := ln.front.loop
	if ln.front.mayTell(&ln.front.fds.told) {
		ln.front.log.Error(fmt.Sprintf("cannot accept on %s: %v (%d connections are open); raise the limit of open files of the service (LimitNOFILE=)",
			ln.name, err, len(ln.front.conns)))
	}
	l.Modify(ln.fd, 0)
	ln.again.Do = func() {
		if ln.front.crowded() {
			l.Set(&ln.again, acceptAgain)
			return
		}
		l.Modify(ln.fd, unix.EPOLLIN)
	}
	l.Set(&ln.again, acceptAgain)
}

// adopt serves a connection from here on; pending is what has been read of it.
func (f *front) adopt(fd int, ln *listener, host, port string, pending []byte) *conn {
	return f.adoptAs(fd, ln, host, port, nil, pending)
}

// adoptAs is adopt for a connection that may have come by a gate.
func (f *front) adoptAs(fd int, ln *listener, host, port string, g *gated, pending []byte) *conn {
	c := &conn{front: f, ln: ln, fd: fd, state: connHead, keep: true, gated: g}
	c.peer = wsgi.Peer{RemoteAddr: host, RemotePort: port, ServerName: ln.host, ServerPort: ln.port,
		Software: "wsgid/" + Version, Trusted: f.trusts, Believed: f.believed, Mount: &f.mount, Multiprocess: &f.pool.Multiprocess}
	c.out.Store = f.store
	c.idleSince = f.loop.Now()
	f.conns[c] = struct{}{}
	if err := f.loop.Add(fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET, c); err != nil {
		f.log.Error(err.Error())
		c.close()
		return c
	}
	c.until(f.spec.Request.HeaderTimeout.D())
	c.in = append(c.in, pending...)
	// Often the request is there already: try before waiting for the event.
	c.readable = true
	c.pump()
	return c
}

// onSweep closes connections past their limits.
func (f *front) onSweep() {
	next := int64(0)
	f.fds.measure(&f.spec.Workers)
	var over []*conn
	for c := range f.conns {
		switch {
		case c.deadline == 0:
		case c.deadline <= f.loop.Now():
			over = append(over, c)
		case next == 0 || c.deadline < next:
			next = c.deadline
		}
	}
	// Oldest first: who came last may be whom a worker waits for, and without a worker
	// that waits nobody is asked to read faster.
	slices.SortFunc(over, func(a, b *conn) int { return cmp.Compare(a.deadline, b.deadline) })
	for _, c := range over {
		if c.deadline > 0 && c.deadline <= f.loop.Now() {
			c.expired()
		}
	}
	if next > 0 {
		f.loop.SetBy(&f.sweep, max(next, f.loop.Now()+int64(sweepEvery)))
	}
}

// leave stops accepting: what waited is served, here or by another ingress.
func (f *front) leave() {
	if f.draining {
		return
	}
	f.draining = true
	for _, ln := range f.listeners {
		f.loop.Remove(ln.fd)
		if ln.open {
			// Where no other master has the socket too, what waits now is cut off by
			// the close.
			ln.take(lastAccepts)
		}
		f.loop.Clear(&ln.again)
		_ = unix.Close(ln.fd)
	}
	f.listeners = nil
	f.leaveGates()
}

// drain lets requests finish and closes idle connections; nothing comes any more.
func (f *front) drain() {
	f.leave()
	if f.left {
		return
	}
	f.left = true
	for c := range f.conns {
		c.drain()
	}
	f.checkEmpty()
}

// closing tells that connections are to end with their current request.
func (f *front) closing() bool { return f.draining && !f.handsOver() }

// handsOver tells whether connections go to a successor.
func (f *front) handsOver() bool { return f.heir != nil && !f.heir.lost }

// empty tells whether a draining front has no connection left.
func (f *front) empty() bool {
	return f.left && len(f.conns) == 0 && f.strays == 0 && (f.heir == nil || f.heir.open == 0)
}

func (f *front) checkEmpty() {
	if f.empty() {
		f.emptied()
	}
}

// options are those of a response on c.
func (f *front) options(c *conn, size int64) *http1.HeadOptions {
	if sec := f.loop.Now() / int64(time.Second); f.date == nil || sec != f.dated {
		f.dated = sec
		f.date = f.dates.Line(time.Now())
	}
	proto := "HTTP/1.1"
	if c.old {
		proto = "HTTP/1.0"
	}
	f.opts = http1.HeadOptions{Proto: proto, KeepAlive: c.keep, Head: c.head, BodyLength: size, Date: f.date, Extra: f.extra, Reasons: f.spec.Debug}
	return &f.opts
}

// tempFile opens a file for a body or a response that is too large for memory. It may
// wait for a disk, and is called by goroutines that may.
func (f *front) tempFile() (*os.File, error) {
	t, err := tempFile(f.spool)
	if err == nil && f.fds.kept(int(t.Fd())) {
		_ = t.Close()
		return nil, fmt.Errorf("cannot make a temporary file: %w: the rest is kept for workers and control", unix.EMFILE)
	}
	return t, err
}

// tempFile opens a file without a name in a folder.
func tempFile(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), "spool"), nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("cannot make a temporary file in %s: %w", dir, err)
	}
	t, err := os.CreateTemp(dir, "wsgid-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a temporary file in %s: %w", dir, err)
	}
	_ = os.Remove(t.Name())
	return t, nil
}

// label writes what names a request in a log line.
func label(dst []byte, r *wsgi.Request) []byte {
	dst = append(append(append(dst, r.Method...), ' '), r.Path...)
	if len(dst) > 200 {
		dst = append(dst[:200], "…"...)
	}
	return bytes.ToValidUTF8(dst, []byte("?"))
}

// isTransient tells that a call may succeed later.
func isTransient(errno syscall.Errno) bool {
	return errno == syscall.EAGAIN || errno == syscall.EINTR
}
