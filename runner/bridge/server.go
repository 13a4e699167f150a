package bridge

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Server serves HTTPS on any number of listeners. Set the fields, then call
// Serve for each listener.
type Server struct {
	// Submit hands a request over and returns at once. It is called from many
	// goroutines.
	Submit func(in *Incoming)
	// Note makes what the taker wants to keep of a request as its Token. It is
	// called from many goroutines; nil: nothing.
	Note func(r *wsgi.Request, p *wsgi.Peer) any
	// Static answers a request for a static file: it gives the sink the whole response
	// and returns true, or false where the request is the application's. It is called
	// from many goroutines, and may wait; nil: there are no static files.
	Static func(r *wsgi.Request, p *wsgi.Peer, to wsgi.Sink) bool
	// Refused tells of a request that is answered here and never submitted, to be
	// counted. It is called from many goroutines; nil: nobody counts.
	Refused func(p wsgi.Peer, status int)
	// Cancel tells that the client of a submitted request is gone. The response
	// may have ended meanwhile: see Incoming.Ended.
	Cancel func(in *Incoming)
	// Pipe makes what a body goes by as it arrives, of which we write without ever
	// waiting; false: there is none to be had. nil: bodies are always read first.
	Pipe func() (read, write int, ok bool)
	// Owes tells that from now on a worker waits for more of a request's Upload, or that
	// it does not. Arrived: it has all of it. RefuseBody answers where it will not be all
	// there, if nothing has been answered. They are called in turn.
	Owes       func(in *Incoming, owes bool)
	Arrived    func(in *Incoming)
	RefuseBody func(in *Incoming, status int, reason string)
	// Limits is asked for every request; safe for concurrent use. After a change
	// call LimitsChanged, for those of connections.
	Limits func() Limits
	// Trusted is wsgi.Peer's; safe for concurrent use. nil: no proxy is trusted.
	Trusted func(addr string) bool
	// Multiprocess is wsgi.Peer's; nil: false.
	Multiprocess *atomic.Bool
	// Accepted is told the descriptor of each new connection, and a negative one
	// where there is none to be had; false: there is hardly another one, accepting
	// rests a moment. nil: there always is.
	Accepted func(fd int) bool
	// Store is the budget for what clients have not read yet; nil: one of its own.
	Store *unread.Store
	// Room tells that a response that was Incoming.Full has been sent: more of it
	// may come. It is called from many goroutines; nil: nobody waits.
	Room func(in *Incoming)
	// Believed is wsgi.Peer's; safe for concurrent use.
	Believed func() wsgi.Believed
	// Mount is wsgi.Peer's.
	Mount *atomic.Pointer[string]
	// TempFile opens a file for what is too large for memory; nil: an unlinked
	// one in the folder for temporary files.
	TempFile func() (*os.File, error)
	// Log takes a line for the app's log; nil: none.
	Log func(line string)
	// Version of the program, for X-Wsgid and SERVER_SOFTWARE.
	Version string

	once sync.Once
	open atomic.Int32 // the length of raw, for the loop, which asks often and must not wait

	readersMu sync.Mutex
	readers   map[*reader]struct{} // guarded by readersMu: clients that are sent a response
	lookTimer *time.Timer          // guarded by readersMu
	looking   bool                 // guarded by readersMu: lookTimer is set

	mu        sync.Mutex
	listeners map[net.Listener]struct{} // guarded by mu
	conns     map[*conn1]struct{}       // guarded by mu: HTTP/1 connections
	raw       map[net.Conn]struct{}     // guarded by mu: all connections, to cut them at the end
	h2        *h2server                 // guarded by mu: for new HTTP/2 connections
	http2     map[net.Conn]*h2conn      // guarded by mu: those of raw that speak HTTP/2
	draining  bool                      // guarded by mu
	accepting sync.WaitGroup            // calls of Serve
	greeting  sync.WaitGroup            // connections whose handshake is under way
	running   sync.WaitGroup            // goroutines of connections
	handlers  sync.WaitGroup            // HTTP/2 requests
}

func (s *Server) refused(p wsgi.Peer, status int) {
	if s.Refused != nil {
		s.Refused(p, status)
	}
}

func (s *Server) init() {
	s.once.Do(func() {
		s.listeners = map[net.Listener]struct{}{}
		s.conns = map[*conn1]struct{}{}
		s.raw = map[net.Conn]struct{}{}
		s.http2 = map[net.Conn]*h2conn{}
		s.readers = map[*reader]struct{}{}
		if s.Store == nil {
			s.Store = &unread.Store{Open: s.tempFile}
			s.Store.Limit(64<<20, 1<<30)
		}
		s.h2 = s.newH2server()
	})
}

// Serve accepts connections until the listener fails or Shutdown or Close is
// called, which returns nil; who waits at the listener then is still let in. It
// closes the listener.
func (s *Server) Serve(ln net.Listener, cert *Certificate) error {
	s.init()
	defer ln.Close()
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		return nil
	}
	s.listeners[ln] = struct{}{}
	s.accepting.Add(1)
	s.mu.Unlock()
	defer s.accepting.Done()
	config := configOf(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert.get(s.log) })
	delay := time.Duration(0)
	var told time.Time
	for late := 0; late < maxFinalAccepts; {
		c, err := ln.Accept()
		if err != nil {
			switch {
			case s.isDraining():
				// The time of a last call may be over before anybody has looked.
				if errors.Is(err, os.ErrDeadlineExceeded) && clientsWait(ln) {
					late++
					lastCall(ln)
					continue
				}
				return nil
			case errors.Is(err, net.ErrClosed):
				return err
			}
			// Such as too many open files: others end meanwhile.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			if time.Since(told) > time.Minute {
				told = time.Now()
				s.log("cannot accept on " + ln.Addr().String() + ": " + err.Error())
			}
			if s.Accepted != nil {
				s.Accepted(-1)
			}
			time.Sleep(delay)
			continue
		}
		delay = 0
		room := s.Accepted == nil || s.Accepted(descriptor(c))
		s.mu.Lock()
		if s.draining {
			// Where nobody else has the socket too, what waits in its queue would be cut
			// off by the close.
			late++
			lastCall(ln)
		}
		s.admit(c)
		s.mu.Unlock()
		go s.greet(c, config)
		if !room {
			time.Sleep(acceptRest)
		}
	}
	return nil
}

func configOf(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: get}
}

// acceptRest is how long accepting rests where there are hardly any descriptors.
const acceptRest = 200 * time.Millisecond

// descriptor is the number of a connection's descriptor; 0: it has none.
func descriptor(c net.Conn) (n int) {
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { n = int(fd) })
		}
	}
	return n
}

// greet does the handshake and lets the protocol's own take over.
func (s *Server) greet(c net.Conn, config *tls.Config) {
	defer s.running.Done()
	tc := tls.Server(c, config)
	limits := s.Limits()
	deadline(tc.SetDeadline, limits.HeaderTimeout)
	err := tc.HandshakeContext(context.Background())
	deadline(tc.SetDeadline, 0)
	if err != nil {
		s.greeting.Done()
		if plain := (tls.RecordHeaderError{}); errors.As(err, &plain) && plain.Conn != nil && looksLikeHTTP(plain.RecordHeader[:]) {
			deadline(c.SetDeadline, time.Second)
			// The client's own doing, and nothing of the inside: it is told.
			_, _ = c.Write(http1.AppendError(nil, 400, "this port speaks HTTPS, the request came without TLS", &http1.HeadOptions{Proto: "HTTP/1.0", Reasons: true}))
			closeWrite(c)
			_, _ = io.Copy(io.Discard, io.LimitReader(c, 64<<10))
		}
		s.forget(c)
		return
	}
	if state := tc.ConnectionState(); state.NegotiatedProtocol == "h2" {
		if !adequate(state) {
			s.log(from(s.peer(c).RemoteAddr) + ": closed: HTTP/2 over " + tls.CipherSuiteName(state.CipherSuite) + ", which is too weak for it")
			s.forget(c)
			s.greeting.Done()
			return
		}
		s.serveH2(newH2conn(s, tc))
		s.greeting.Done()
		return
	}
	h := newConn1(s, tc)
	s.mu.Lock()
	s.conns[h] = struct{}{}
	if s.draining {
		h.drain() // it came too late to be told
	}
	s.mu.Unlock()
	s.greeting.Done()
	h.serve()
	s.mu.Lock()
	delete(s.conns, h)
	s.mu.Unlock()
	s.forget(c)
}

// admit takes a connection in, which greet is to be called for. It is called with mu held.
func (s *Server) admit(c net.Conn) {
	s.raw[c] = struct{}{}
	s.open.Store(int32(len(s.raw)))
	s.greeting.Add(1)
	s.running.Add(1)
}

// forget closes a connection and takes it off the list.
func (s *Server) forget(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	delete(s.raw, c)
	s.open.Store(int32(len(s.raw)))
	delete(s.http2, c)
	s.mu.Unlock()
}

// looksLikeHTTP tells from the first bytes whether a client forgot TLS.
func looksLikeHTTP(b []byte) bool {
	for _, m := range []string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH"} {
		if bytes.HasPrefix(b, []byte(m)) {
			return true
		}
	}
	return false
}

// Connections is how many are open.
func (s *Server) Connections() int { return int(s.open.Load()) }

func (s *Server) log(line string) {
	if s.Log != nil {
		s.Log(line)
	}
}

func (s *Server) tempFile() (*os.File, error) {
	if s.TempFile != nil {
		return s.TempFile()
	}
	f, err := os.CreateTemp("", "wsgid")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// peer is what the environ says of a connection.
func (s *Server) peer(c net.Conn) wsgi.Peer {
	p := wsgi.Peer{HTTPS: true, Software: "wsgid/" + s.Version, Trusted: s.Trusted, Believed: s.Believed, Mount: s.Mount, Multiprocess: s.Multiprocess}
	p.RemoteAddr, p.RemotePort = hostPort(c.RemoteAddr())
	p.ServerName, p.ServerPort = hostPort(c.LocalAddr())
	return p
}

// hostPort is empty for a unix socket.
func hostPort(a net.Addr) (host, port string) {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return "", ""
	}
	ap := t.AddrPort()
	host = ap.Addr().Unmap().WithZone("").String()
	_, port, _ = net.SplitHostPort(t.String())
	return host, port
}

// extra is the lines of ours in every response.
func (s *Server) extra(l *Limits) []byte {
	if l.Anonymous {
		return nil
	}
	return []byte("X-Wsgid: " + s.Version + "\r\n")
}

// deadline sets one from now; none for 0.
func deadline(set func(time.Time) error, d time.Duration) {
	if d <= 0 {
		_ = set(time.Time{})
		return
	}
	_ = set(time.Now().Add(d))
}

func closeWrite(c net.Conn) {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
}

// logWriter gives net/http's own lines to Server.Log.
type logWriter struct{ s *Server }

func (w logWriter) Write(b []byte) (int, error) {
	w.s.log("HTTP/2: " + string(bytes.TrimSpace(b)))
	return len(b), nil
}
