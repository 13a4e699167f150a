package bridge

import (
	"context"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// maxHead2 is the most that net/http reads of a head over HTTP/2. What is larger
// than request.max_head we refuse with 431, see convert. Past maxHead2 the
// library can do no other than close the connection: a head has to be decoded to
// its end for the table of HPACK to be right (RFC 9113, section 10.5.1), and that
// is what a limit is to spare. Clients know the limit (SETTINGS_MAX_HEADER_LIST_SIZE).
const maxHead2 = 1 << 20

// h2server is a server of net/http for connections on which HTTP/2 was agreed. As
// that one takes its time limits when it begins, another follows it when they
// change, see Server.LimitsChanged.
type h2server struct {
	http   *http.Server
	idle   time.Duration // its limits
	head   time.Duration
	unread bool          // that of Limits.Unbuffered
	conns  chan *h2conn  // handshake done
	closed chan struct{} // closed when conns has no reader any more
	once   sync.Once
}

// unbuffered2 are the windows of connections whose bodies wait for the application. That
// of a connection holds all that its streams may have sent: else those that wait for a
// worker would use it up, and the one that a worker reads could not go on.
var unbuffered2 = http.HTTP2Config{
	MaxConcurrentStreams:          streams2,
	MaxReceiveBufferPerStream:     window2,
	MaxReceiveBufferPerConnection: streams2 * window2,
}

const streams2, window2 = 100, 64 << 10

// newH2server starts one. It ends by stop.
func (s *Server) newH2server() *h2server {
	limits := s.Limits()
	h := &h2server{idle: limits.KeepAliveTimeout, head: limits.HeaderTimeout, unread: limits.Unbuffered, conns: make(chan *h2conn), closed: make(chan struct{})}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true) // TLS is taken off before, see h2conn
	h.http = &http.Server{
		Handler:           http.HandlerFunc(s.serveHTTP2),
		Protocols:         &protocols,
		IdleTimeout:       h.idle,
		ReadHeaderTimeout: h.head,
		MaxHeaderBytes:    maxHead2,
		ErrorLog:          log.New(logWriter{s}, "", 0),
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ConnState: func(nc net.Conn, state http.ConnState) {
			c := nc.(*h2conn)
			c.state(state)
			if state == http.StateClosed {
				c.end()
				s.forget(c.raw())
			}
		},
	}
	if limits.Unbuffered {
		h.http.HTTP2 = &unbuffered2
	}
	s.running.Go(func() { _ = h.http.Serve(h) })
	return h
}

// Accept implements net.Listener.
func (h *h2server) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *h2server) Close() error {
	h.stop()
	return nil
}

// Addr implements net.Listener.
func (h *h2server) Addr() net.Addr { return &net.TCPAddr{} }

func (h *h2server) stop() { h.once.Do(func() { close(h.closed) }) }

// retire takes no more connections and sends GOAWAY to all it has: what has begun
// is finished. It does not wait. See h2conn.Close for those that are idle.
func (h *h2server) retire() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = h.http.Shutdown(ctx)
}

// LimitsChanged lets connections that are open have what Limits returns now, where
// they do not ask for it by themselves: HTTP/2 clients are told to open another
// connection, by GOAWAY.
func (s *Server) LimitsChanged() {
	s.init()
	limits := s.Limits()
	s.mu.Lock()
	old := s.h2
	if s.draining || old.idle == limits.KeepAliveTimeout && old.head == limits.HeaderTimeout && old.unread == limits.Unbuffered {
		s.mu.Unlock()
		return
	}
	s.h2 = s.newH2server()
	s.mu.Unlock()
	old.retire()
}

// serveH2 hands a connection over.
func (s *Server) serveH2(c *h2conn) {
	for {
		s.mu.Lock()
		h := s.h2
		c.server = h
		s.http2[c.raw()] = c
		s.mu.Unlock()
		select {
		case h.conns <- c:
			return
		case <-h.closed:
		}
		s.mu.Lock()
		last := s.h2 == h
		s.mu.Unlock()
		if last {
			s.forget(c.raw())
			return
		}
	}
}

// shutdownH2 ends HTTP/2. A connection that is idle may have a request on its
// way, most of all one that has only just come: what is answered from now on says
// that it is the last, and who has sent nothing after idleGrace is let go.
func (s *Server) shutdownH2(ctx context.Context) {
	for end := time.Now().Add(idleGrace); s.countH2() > 0 && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(5 * time.Millisecond)
	}
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		// More than once: it knows nothing of a connection that it was given a moment
		// ago.
		for h := range s.h2servers() {
			h.retire()
		}
		if s.countH2() == 0 || ctx.Err() != nil {
			return
		}
		time.Sleep(wait)
	}
}

func (s *Server) countH2() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.http2)
}

// h2servers are those that have connections, and the last one.
func (s *Server) h2servers() map[*h2server]struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[*h2server]struct{}{s.h2: {}}
	for _, c := range s.http2 {
		all[c.server] = struct{}{}
	}
	return all
}
