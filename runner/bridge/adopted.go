package bridge

import (
	"crypto/tls"
	"net"
	"syscall"
)

// Adopted is a connection that somebody else has accepted.
type Adopted struct {
	net.Conn
	// First was read from it already.
	First []byte
	// Local and Remote are its ends, where it comes by way of a proxy; nil: its own.
	Local, Remote net.Addr
	// Answers tells whether a host may be asked for over it: another one gets 421. Safe
	// for concurrent use; nil: any.
	Answers func(host []byte) bool
}

// Read implements net.Conn.
func (a *Adopted) Read(b []byte) (int, error) {
	if len(a.First) > 0 {
		n := copy(b, a.First)
		a.First = a.First[n:]
		if len(a.First) == 0 {
			a.First = nil
		}
		return n, nil
	}
	return a.Conn.Read(b)
}

// LocalAddr implements net.Conn.
func (a *Adopted) LocalAddr() net.Addr {
	if a.Local != nil {
		return a.Local
	}
	return a.Conn.LocalAddr()
}

// RemoteAddr implements net.Conn.
func (a *Adopted) RemoteAddr() net.Addr {
	if a.Remote != nil {
		return a.Remote
	}
	return a.Conn.RemoteAddr()
}

// SyscallConn implements syscall.Conn.
func (a *Adopted) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := a.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, syscall.ENOTSUP
}

// CloseWrite ends our side.
func (a *Adopted) CloseWrite() error {
	closeWrite(a.Conn)
	return nil
}

// SetLinger is that of a TCP connection.
func (a *Adopted) SetLinger(seconds int) error {
	if l, ok := a.Conn.(lingerer); ok {
		return l.SetLinger(seconds)
	}
	return nil
}

type lingerer interface{ SetLinger(seconds int) error }

// ServeConn serves a connection from its first byte on, as those of a listener. Once
// Shutdown is called it takes none: false, and the connection stays the caller's.
func (s *Server) ServeConn(a *Adopted, config *tls.Config) bool {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.admit(a)
	go s.greet(a, config)
	return true
}

// answers tells whether a host may be asked for over a connection.
func answers(c net.Conn, host []byte) bool {
	a, ok := c.(*Adopted)
	return !ok || a.Answers == nil || a.Answers(host)
}

// misdirected is the reason of a 421.
const misdirected = "the connection was made for another host"
