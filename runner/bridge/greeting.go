package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Arrival is a client that has connected and is to speak TLS.
type Arrival struct {
	FD    int    // its descriptor, which does not block; the loop does not watch it yet
	First []byte // read from it already
	// Peer is what the environ says of the connection.
	Peer wsgi.Peer
	// Local and Remote are its ends, where it comes by way of a proxy; nil: its own.
	Local, Remote net.Addr
	// Answers tells whether a host may be asked for over it: another one gets 421. Safe
	// for concurrent use; nil: any.
	Answers func(host []byte) bool
}

// greeting is a connection while its handshake is under way. That takes long, by
// reckoning and by waiting, so a goroutine does it; the loop watches the descriptor all
// the while, and tells it.
type greeting struct {
	undated
	Arrival

	server *Server
	wake   chan struct{} // holds one: the descriptor may be read or written again
	// What the loop tells of the descriptor, each change once: there may be something to
	// read; the client has ended its side, and nothing will tell of what is left.
	readable, ended atomic.Bool
	writing         atomic.Bool   // it is waited until it may be written again
	over            chan struct{} // closed by expire
	once            sync.Once     // closes over
	timer           *time.Timer   // calls expire; nil: there is no limit
	wire            *wire
	tls             *tls.Conn
}

// wire is what TLS reads and writes: first a greeting, then what its connection became.
type wire struct{ net.Conn }

// Greet serves a connection from its first byte on. It is called on the loop. Once
// Shutdown is called it takes none: false, and the descriptor stays the caller's.
func (s *Server) Greet(a *Arrival, config *tls.Config) bool {
	s.init()
	g := &greeting{Arrival: *a, server: s, wake: make(chan struct{}, 1), over: make(chan struct{})}
	g.readable.Store(g.First == nil) // else what was there is read, and the loop tells of more
	g.wire = &wire{Conn: g}
	g.tls = tls.Server(g.wire, config)
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		return false
	}
	s.greetings[g] = struct{}{}
	s.count()
	s.greeting.Add(1)
	s.mu.Unlock()
	if err := s.Loop.Add(g.FD, evloop.Connection, g); err != nil {
		s.log(err.Error())
		g.end()
		return true
	}
	if d := s.Limits().HeaderTimeout; d > 0 {
		g.timer = time.AfterFunc(d, g.expire)
	}
	go g.run()
	return true
}

// run does the handshake and lets the protocol's own take over.
func (g *greeting) run() {
	s := g.server
	err := g.tls.HandshakeContext(context.Background())
	if err != nil {
		if plain := (tls.RecordHeaderError{}); errors.As(err, &plain) && plain.Conn != nil && looksLikeHTTP(plain.RecordHeader[:]) {
			g.tellPlain()
		}
		s.Loop.Post(g.end)
		return
	}
	state := g.tls.ConnectionState()
	switch {
	case state.NegotiatedProtocol != "h2":
		if state.Version == tls.VersionTLS13 {
			// The handshake ends with a packet of the client, for which we have no answer: a
			// client that sends no small packet while one is under way (Nagle) would keep its
			// request until the kernel says that it has come, 40 ms later.
			_ = unix.SetsockoptInt(g.FD, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
		}
		s.Loop.Post(g.serve1)
	case !adequate(state):
		s.log(from(g.Peer.RemoteAddr) + ": closed: HTTP/2 over " + tls.CipherSuiteName(state.CipherSuite) + ", which is too weak for it")
		s.Loop.Post(g.end)
	default:
		g.serve2()
	}
}

// tellPlain answers a client that forgot TLS. It is its own doing, and nothing of the
// inside: it is told.
func (g *greeting) tellPlain() {
	if g.timer != nil && g.timer.Stop() {
		g.timer.Reset(time.Second)
	}
	_, _ = g.Write(http1.AppendError(nil, 400, "this port speaks HTTPS, the request came without TLS", &http1.HeadOptions{Proto: "HTTP/1.0", Reasons: true}))
	_ = unix.Shutdown(g.FD, unix.SHUT_WR)
	_, _ = io.Copy(io.Discard, io.LimitReader(g, 64<<10))
}

// serve1 hands the connection over to the loop's own HTTP/1.
func (g *greeting) serve1() {
	c := &Sealed{Peer: g.Peer, fd: g.FD, tls: g.tls, first: g.First, Answers: g.Answers, readable: true}
	g.wire.Conn = sealedConn{Sealed: c}
	g.server.HTTP1(c)
	g.done()
}

// serve2 hands it over to net/http's HTTP/2, which has goroutines that wait.
func (g *greeting) serve2() {
	s := g.server
	if !s.Loop.Call(func() { s.Loop.Remove(g.FD) }) {
		return
	}
	c, err := newSocket(g.FD)
	if err != nil { // it has closed the descriptor
		s.log(fmt.Sprintf("%s: closed: %v", from(g.Peer.RemoteAddr), err))
		g.done()
		return
	}
	c.first, c.answers = g.First, g.Answers
	if g.Remote != nil {
		c.local, c.remote = g.Local, g.Remote
	}
	g.wire.Conn = c
	s.serveH2(newH2conn(s, g.tls))
	g.done()
}

// end closes the connection. It runs on the loop.
func (g *greeting) end() {
	g.server.Loop.Remove(g.FD)
	_ = unix.Close(g.FD)
	g.done()
}

// done: it is a greeting no more.
func (g *greeting) done() {
	if g.timer != nil {
		g.timer.Stop()
	}
	s := g.server
	s.mu.Lock()
	delete(s.greetings, g)
	s.count()
	s.mu.Unlock()
	s.greeting.Done()
}

// expire: its time is up.
func (g *greeting) expire() { g.once.Do(func() { close(g.over) }) }

// OnEvents implements evloop.Pollable.
func (g *greeting) OnEvents(events uint32) {
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		g.ended.Store(true)
	}
	if events&^unix.EPOLLOUT != 0 {
		g.readable.Store(true)
	} else if !g.writing.Load() {
		return
	}
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// await waits until the descriptor may be read or written again.
func (g *greeting) await() error {
	select {
	case <-g.wake:
		return nil
	case <-g.over:
		return os.ErrDeadlineExceeded
	}
}

// Read implements net.Conn.
func (g *greeting) Read(b []byte) (int, error) {
	if n := takeFirst(&g.First, b); n > 0 {
		return n, nil
	}
	for {
		// What the client answers takes its time: it is not looked for before the loop
		// tells of it.
		if !g.readable.Swap(false) {
			if err := g.await(); err != nil {
				return 0, err
			}
			continue
		}
		n, errno := evloop.Read(g.FD, b)
		if errno == unix.EINTR || n == len(b) || g.ended.Load() {
			g.readable.Store(true)
		}
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			if g.ended.Load() {
				return 0, io.EOF // what is left of it: nothing
			}
		case errno != 0:
			return 0, os.NewSyscallError("read", errno)
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// Write implements net.Conn.
func (g *greeting) Write(b []byte) (int, error) {
	for done := 0; ; {
		if done == len(b) {
			return done, nil
		}
		n, errno := evloop.Send(g.FD, b[done:])
		switch errno {
		case 0:
			done += n
			g.writing.Store(false)
		case unix.EINTR:
		case unix.EAGAIN:
			if !g.writing.Swap(true) {
				continue // it may have been told before anybody waited
			}
			if err := g.await(); err != nil {
				return done, err
			}
		default:
			return done, os.NewSyscallError("send", errno)
		}
	}
}

// takeFirst takes bytes that were read before.
func takeFirst(first *[]byte, b []byte) int {
	n := copy(b, *first)
	if *first = (*first)[n:]; len(*first) == 0 {
		*first = nil
	}
	return n
}

// undated is the part of a net.Conn that is no reading or writing, where somebody else
// keeps the time and closes.
type undated struct{}

func (undated) Close() error                     { return syscall.ENOTSUP }
func (undated) LocalAddr() net.Addr              { return nil }
func (undated) RemoteAddr() net.Addr             { return nil }
func (undated) SetDeadline(time.Time) error      { return nil }
func (undated) SetReadDeadline(time.Time) error  { return nil }
func (undated) SetWriteDeadline(time.Time) error { return nil }
