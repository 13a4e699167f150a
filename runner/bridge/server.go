package bridge

import (
	"bytes"
	"crypto/tls"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Server does the handshakes of TLS, and serves who speaks HTTP/2 then. Set the fields,
// then call Greet for each connection.
type Server struct {
	// Loop watches connections during their handshake.
	Loop *evloop.Loop
	// HTTP1 takes a connection over whose client speaks HTTP/1. It is called on the loop,
	// which watches its descriptor.
	HTTP1 func(c *Sealed)
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
	open atomic.Int32 // the length of http2 and greetings, for the loop, which asks often and must not wait

	readersMu sync.Mutex
	readers   map[*reader]struct{} // guarded by readersMu: clients that are sent a response
	lookTimer *time.Timer          // guarded by readersMu
	looking   bool                 // guarded by readersMu: lookTimer is set

	mu        sync.Mutex
	greetings map[*greeting]struct{} // guarded by mu
	h2        *h2server              // guarded by mu: for new ones
	http2     map[net.Conn]*h2conn   // guarded by mu: connections, by what TLS runs over
	draining  bool                   // guarded by mu
	greeting  sync.WaitGroup         // connections whose handshake is under way
	running   sync.WaitGroup         // goroutines of HTTP/2
	handlers  sync.WaitGroup         // its requests
}

func (s *Server) refused(p wsgi.Peer, status int) {
	if s.Refused != nil {
		s.Refused(p, status)
	}
}

func (s *Server) init() {
	s.once.Do(func() {
		s.greetings = map[*greeting]struct{}{}
		s.http2 = map[net.Conn]*h2conn{}
		s.readers = map[*reader]struct{}{}
		if s.Store == nil {
			s.Store = &unread.Store{Open: s.tempFile}
			s.Store.Limit(64<<20, 1<<30)
		}
		s.h2 = s.newH2server()
	})
}

// Config is the configuration of connections that have one certificate.
func (s *Server) Config(cert *Certificate) *tls.Config {
	return configOf(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert.get(s.log) })
}

func configOf(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: get}
}

func from(addr string) string {
	if addr == "" {
		return "a client on a unix socket"
	}
	return addr
}

// count keeps open. It is called with mu held.
func (s *Server) count() { s.open.Store(int32(len(s.http2) + len(s.greetings))) }

// forget closes a connection and takes it off the list.
func (s *Server) forget(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	delete(s.http2, c)
	s.count()
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

// deadline sets one from now; none for 0.
func deadline(set func(time.Time) error, d time.Duration) {
	if d <= 0 {
		_ = set(time.Time{})
		return
	}
	_ = set(time.Now().Add(d))
}

// logWriter gives net/http's own lines to Server.Log.
type logWriter struct{ s *Server }

func (w logWriter) Write(b []byte) (int, error) {
	w.s.log("HTTP/2: " + string(bytes.TrimSpace(b)))
	return len(b), nil
}
