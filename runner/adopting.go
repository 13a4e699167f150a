package runner

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
)

// A gate hands connections over by a socket of the app's own, which serves nothing but
// that. It is a listening socket like any other of the app: the keeper has it when the
// master dies, the doorman watches it when the app rests, and a master that replaces
// another begins to accept there when it is ready.

// gateLink is a gate's connection to the master.
type gateLink struct {
	*gate.Link
	ln *listener
}

// gated is what a connection that came by a gate remembers of it.
type gated struct {
	host    []byte // by which it was routed
	listen  string // the listener of the gate that it came to
	proxied *gate.Proxied
}

// link serves a gate that has connected.
func (ln *listener) link(fd int) {
	f := ln.front
	if f.links == nil {
		f.links = map[*gateLink]struct{}{}
	}
	l := &gateLink{ln: ln}
	l.Link = &gate.Link{Loop: f.loop, Room: &f.room, Writable: func() {},
		Taken:   func(fd int, p *gate.Passed) { f.taken(l, fd, p) },
		Arrived: func(any) {}, // nothing is passed this way
		Over:    func([]any) { delete(f.links, l) }}
	if err := l.Open(fd); err != nil {
		f.log.Error(err.Error())
		return
	}
	f.links[l] = struct{}{}
}

// taken serves a connection that a gate has handed over.
func (f *front) taken(l *gateLink, fd int, p *gate.Passed) {
	if p.TLS {
		f.serveTLS(fd, p)
	} else {
		f.serveGated(fd, l.ln, &gated{host: p.Host, listen: p.Listen, proxied: p.Proxied}, p.Bytes)
	}
	if f.fds.kept(fd) && f.crowded() && l.IsOpen() {
		// The gate keeps what it has, and its clients wait there.
		l.Close()
	}
}

func (f *front) serveGated(fd int, ln *listener, g *gated, pending []byte) *conn {
	host, port, local := "", "", &listener{front: f, name: ln.name, adopts: true}
	if sa, err := unix.Getpeername(fd); err == nil {
		_, host, port = addrOf(sa)
	}
	local.host, local.port = "localhost", ""
	if sa, err := unix.Getsockname(fd); err == nil {
		if isUnix, h, p := addrOf(sa); !isUnix {
			local.host, local.port = h, p
		}
	}
	if p := g.proxied; p != nil {
		host, port = p.From.Addr().String(), fmt.Sprint(p.From.Port())
		local.host, local.port = p.To.Addr().String(), fmt.Sprint(p.To.Port())
	}
	return f.adoptAs(fd, local, host, port, g, pending)
}

// strays tells that a request is for another host than the one that the connection was
// routed by: whose that is the gate knows.
func (g *gated) strays(host []byte) bool {
	return g != nil && !bytes.Equal(host, g.host)
}

// stray is a connection on its way back to a gate, until it has arrived there.
type stray struct {
	fd    int
	p     gate.Passed
	tries int
}

// backTries bounds how often a connection is handed back that does not arrive.
const backTries = 20

// giveBack hands the connection back to the gate, with the request that is not for us.
// It tells whether that can be done.
func (c *conn) giveBack(data []byte) bool {
	f := c.front
	s := &stray{fd: c.fd, p: gate.Passed{Host: c.gated.host, Listen: c.gated.listen, Proxied: c.gated.proxied, Bytes: slices.Clone(data)}}
	if !f.passBack(s) {
		return false
	}
	c.state = connClosed
	c.out.Close()
	f.loop.Remove(c.fd)
	delete(f.conns, c)
	f.loop.Post(f.checkEmpty)
	return true
}

// passBack passes a connection to the gate. Where no gate runs it waits at its socket.
func (f *front) passBack(s *stray) bool {
	if f.back == nil || !f.back.IsOpen() {
		fd, err := f.dialGate()
		if err != nil {
			return false
		}
		l := &gate.Link{Loop: f.loop, Room: &f.room, Writable: func() {},
			Taken:   func(fd int, _ *gate.Passed) { _ = unix.Close(fd) }, // no gate does that
			Arrived: func(what any) { _ = unix.Close(what.(*stray).fd); f.strays--; f.checkEmpty() },
			Over:    f.backOver}
		if l.Open(fd) != nil {
			return false
		}
		f.back = l
	}
	if f.back.Pass(s.fd, &s.p, s) != nil {
		return false
	}
	f.strays++
	return true
}

// backOver: the gate has gone before it has taken those.
func (f *front) backOver(left []any) {
	for _, what := range left {
		s := what.(*stray) // still under way, and counted
		s.tries++
		t := &evloop.Timer{}
		t.Do = func() {
			f.strays--
			if s.tries > backTries || !f.passBack(s) {
				f.misdirected(s.fd)
			}
			f.checkEmpty()
		}
		f.loop.Set(t, time.Duration(s.tries)*5*time.Millisecond)
	}
}

// errMisdirected tells a client that its connection leads elsewhere.
var errMisdirected = &http1.Error{Status: 421, Reason: "the connection was made for another host"}

// misdirected ends a connection that was on its way back to a gate which is no more:
// its client is to ask anew, over another connection.
func (f *front) misdirected(fd int) {
	const answer = "HTTP/1.1 421 Misdirected Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 24\r\nConnection: close\r\n\r\n421 Misdirected Request\n"
	_, _ = evloop.Send(fd, []byte(answer))
	_ = unix.Close(fd)
}

// leaveGates ends the links: what has come already is served, the rest a gate passes to
// whoever accepts at the socket next.
func (f *front) leaveGates() {
	for l := range f.links {
		l.Finish()
	}
}

// handed is gated as the next master gets it; nil: the connection came by no gate.
func (g *gated) handed() *control.Gated {
	if g == nil {
		return nil
	}
	return &control.Gated{Host: g.host, Listen: g.listen, Proxied: g.proxied}
}

func gatedOf(h *control.Gated) *gated {
	if h == nil {
		return nil
	}
	return &gated{host: h.Host, listen: h.Listen, proxied: h.Proxied}
}

// openGates opens the folder of the gate's socket, before the master may change its root.
func (m *master) openGates() {
	fd, err := unix.Open(GateSockets(m.boot.StateDir), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		fd = -1 // as for wsgid, which knows of no gate
	}
	m.gates = fd
}

func (m *master) dialGate() (int, error) {
	if m.gates < 0 {
		return -1, unix.ENOENT
	}
	return gate.DialAt(m.gates, appspec.GateName)
}
