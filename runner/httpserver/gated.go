package httpserver

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// A gate hands connections over by a socket of the app's own, which serves nothing but
// that. It is a listening socket like any other of the app: the listener store has it when
// the master dies, the activator watches it when the app rests, and a master that replaces
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
	emptied bool        // what is pending was all that the client had sent until the gate looked
	begun   bool        // a request was let through: the gate, which knows whose the first one is, was asked before
	names   *gate.Names // of the app, among which the host was found; nil: it was not looked for
}

// link serves a gate that has connected.
func (ln *listener) link(fd int) {
	s := ln.server
	if s.links == nil {
		s.links = map[*gateLink]struct{}{}
	}
	l := &gateLink{ln: ln}
	l.Link = &gate.Link{Loop: s.loop, Room: &s.room, Writable: func() {},
		Taken:   func(fd int, p *gate.Passed) { s.taken(l, fd, p) },
		Arrived: func(any) {}, // nothing is passed this way
		Over:    func([]any) { delete(s.links, l) }}
	if err := l.Open(fd); err != nil {
		s.log.Error(err.Error())
		return
	}
	s.links[l] = struct{}{}
	l.Greet()
}

// taken serves a connection that a gate has handed over.
func (s *Server) taken(l *gateLink, fd int, p *gate.Passed) {
	if p.TLS {
		local, host, port := s.ends(fd, l.ln, p.Proxied, p.Client)
		s.ServeTLS(fd, local.securePeer(host, port), p)
	} else {
		s.serveGated(fd, l.ln, &gated{host: p.Host, listen: p.Listen, proxied: p.Proxied, emptied: p.Unread > 0}, p.Client, p.Bytes)
	}
	if s.env.Files.Kept(fd) && s.crowded() && l.IsOpen() {
		// The gate keeps what it has, and its clients wait there.
		l.Close()
	}
}

func (s *Server) serveGated(fd int, ln *listener, g *gated, client netip.AddrPort, pending []byte) {
	local, host, port := s.ends(fd, ln, g.proxied, client)
	s.adoptAs(fd, local, host, port, g, pending)
}

// ends are those of a connection that came by a gate. client is what the gate knows of it.
func (s *Server) ends(fd int, ln *listener, proxied *gate.Proxied, client netip.AddrPort) (local *listener, host, port string) {
	var from, to netip.AddrPort
	switch {
	case proxied != nil:
		from, to = proxied.From, proxied.To
	case client.IsValid():
		from, to = client, evloop.Local(fd)
	default:
		from, to = evloop.Peer(fd), evloop.Local(fd)
	}
	host, port = evloop.HostPort(from)
	return s.door.at(ln, to), host, port
}

// door is where connections of gates come to, as the environ has it: the one of the last
// connection, which most often is that of the next.
type door struct {
	ln *listener // the socket of the app that it came by
	to netip.AddrPort
	as *listener
}

// at is the listener that a connection is said to have come to.
func (d *door) at(ln *listener, to netip.AddrPort) *listener {
	if d.as != nil && d.ln == ln && d.to == to {
		return d.as
	}
	as := &listener{server: ln.server, name: ln.name, adopts: true}
	as.host, as.port = evloop.HostPort(to)
	if !to.IsValid() {
		as.host = "localhost"
	}
	*d = door{ln, to, as}
	return as
}

// strays tells that a request is for another host than the one that the connection was
// routed by, or for one that is the app's no more: whose that is the gate knows. What the gate
// has just brought is served: it knows names before the app does, or after.
func (g *gated) strays(host []byte, names *gate.Names) bool {
	switch {
	case g == nil:
		return false
	case !bytes.Equal(host, g.host):
		return true
	case !g.begun || g.names == names:
		g.begun = true
		return false
	case !names.Answer(host):
		return true
	}
	g.names = names
	return false
}

// Names are those that connections of gates may ask for.
func (s *Server) Names() *gate.Names { return s.names }

// configureNames takes over for which names connections are kept, from their next request on.
func (s *Server) configureNames() {
	var adopts appspec.HTTPSocket
	if all := s.spec.Sockets.HTTP; len(all) > 0 && all[len(all)-1].Adopts {
		adopts = all[len(all)-1]
	}
	if !s.names.Are(s.spec.Hosts, adopts.Foreign, adopts.Default) {
		s.names = gate.NewNames(s.spec.Hosts, adopts.Foreign, adopts.Default)
	}
}

// stray is a connection on its way back to a gate, until it has arrived there.
type stray struct {
	fd    int
	p     gate.Passed
	tries int
}

// backTries bounds how often a connection is handed back that does not arrive: for about four
// seconds.
const backTries = 40

// giveBack hands the connection back to the gate, with the request that is not for us.
// It tells whether that can be done.
func (c *conn) giveBack(data []byte) bool {
	s := c.server
	b := &stray{fd: c.fd, p: gate.Passed{Host: c.gated.host, Listen: c.gated.listen, Proxied: c.gated.proxied, Bytes: slices.Clone(data)}}
	s.strays++
	if !s.passBack(b) {
		s.strays--
		return false
	}
	c.state = connClosed
	c.out.Close()
	s.loop.Remove(c.fd)
	delete(s.conns, c)
	s.loop.Post(s.checkEmpty)
	return true
}

// passBack passes a connection to the gate, at once or as soon as there is room for it. Where
// no gate runs it waits at its socket.
func (s *Server) passBack(b *stray) bool {
	for {
		fresh := s.back == nil || !s.back.IsOpen()
		if fresh {
			if err := s.dialBack(); err != nil {
				return isFull(err) && s.passLater(b)
			}
		}
		err := s.back.Pass(b.fd, &b.p, b)
		switch {
		case err == nil:
			return true
		case isFull(err):
			return s.passLater(b)
		case fresh || !gate.Ended(err):
			return false
		}
		s.back.Finish() // its gate has gone: the next one is at the same socket
	}
}

// dialBack makes a link to the gate.
func (s *Server) dialBack() error {
	fd, err := s.DialGate()
	if err != nil {
		return err
	}
	l := &gate.Link{Loop: s.loop, Room: &s.room, Writable: func() {},
		Taken:   func(fd int, _ *gate.Passed) { _ = unix.Close(fd) }, // no gate does that
		Arrived: func(what any) { _ = unix.Close(what.(*stray).fd); s.strays--; s.checkEmpty() },
		Over:    s.backOver}
	if err := l.Open(fd); err != nil {
		return err
	}
	s.back = l
	return nil
}

// isFull tells that too much is on its way to who takes connections over: the same may be tried
// again.
func isFull(err error) bool {
	return errors.Is(err, unix.EAGAIN) || gate.IsCrowded(err)
}

// passLater tries again in a while. It tells whether there is hope.
func (s *Server) passLater(b *stray) bool {
	if b.tries++; b.tries > backTries {
		return false
	}
	t := &evloop.Timer{}
	t.Do = func() {
		if !s.passBack(b) {
			s.giveUp(b)
		}
	}
	s.loop.Set(t, time.Duration(b.tries)*5*time.Millisecond)
	return true
}

// backOver: the gate has gone before it has taken those.
func (s *Server) backOver(left []any) {
	for _, what := range left {
		if b := what.(*stray); !s.passLater(b) {
			s.giveUp(b)
		}
	}
}

// giveUp ends a connection that no gate takes back.
func (s *Server) giveUp(b *stray) {
	s.misdirected(b.fd)
	s.strays--
	s.checkEmpty()
}

// errMisdirected tells a client that its connection leads elsewhere.
var errMisdirected = &http1.Error{Status: 421, Reason: wsgi.Misdirected}

// misdirected ends a connection that was on its way back to a gate which is no more:
// its client is to ask anew, over another connection.
func (s *Server) misdirected(fd int) {
	const answer = "HTTP/1.1 421 Misdirected Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 24\r\nConnection: close\r\n\r\n421 Misdirected Request\n"
	_, _ = evloop.Send(fd, []byte(answer))
	_ = unix.Close(fd)
}

// leaveGates ends the links: what has come already is served, the rest a gate passes to
// whoever accepts at the socket next.
func (s *Server) leaveGates() {
	for l := range s.links {
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
	return &gated{host: h.Host, listen: h.Listen, proxied: h.Proxied, begun: true} // its names are of another process
}
