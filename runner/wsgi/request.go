package wsgi

import "sync/atomic"

// Header is one header field as it was received. Value has no surrounding
// white space. Both slices may point into a buffer that is reused once the
// environ has been built.
type Header struct {
	Name, Value []byte
}

// Request is one HTTP request as every ingress (HTTP/1, HTTP/2, mongrel2)
// hands it over, before its body is read. The slices may point into the
// ingress's buffer.
type Request struct {
	Method []byte
	// Target as received, without the query: percent-encoded. An ingress gives
	// the origin form ("/a%20b") or "*".
	Path []byte
	// Query is what follows the first "?", without it; nil where there is none.
	Query []byte
	// Proto is "HTTP/1.1", "HTTP/1.0" or "HTTP/2.0".
	Proto string
	// ScriptName is the mount point of the app, percent-encoded (from mongrel2's
	// PATTERN); empty for HTTP. It counts only where Path is it, or goes on with
	// "/" after it.
	ScriptName []byte
	Host       []byte // of the Host header or the absolute URI; may be empty
	Headers    []Header

	// ContentLength is the length of the body in bytes, -1 where it is not
	// known yet (chunked).
	ContentLength int64
	Chunked       bool
	// KeepAlive tells whether the client wants the connection kept.
	KeepAlive bool
	// Expect100 tells that the client waits for "100 Continue".
	Expect100 bool
}

// Peer is what the environ says of the connection; one is built per
// connection, and used by one goroutine at a time.
type Peer struct {
	RemoteAddr string // of the client's end of the connection; empty for a unix socket
	RemotePort string
	ServerName string // used where the request names no host
	ServerPort string // empty where the connection has none: the port of Host counts, else the scheme's
	HTTPS      bool
	// Trusted tells that the peer is one of request.trusted_proxies: what it says
	// of its client is believed as far as Believed goes.
	Trusted func(addr string) bool // nil: no proxy is trusted; asked with "" for a unix socket
	// Believed is what of a trusted proxy's headers counts; nil: BelievedByDefault.
	Believed func() Believed
	// Mount is the mount point of the app, of the spec; nil, or a pointer to nil or to "": it
	// has none. See AppendEnviron.
	Mount *atomic.Pointer[string]
	// Software is SERVER_SOFTWARE, "wsgid/1.0.0"; empty: "wsgid".
	Software string

	// Multiprocess is wsgi.multiprocess: another process may serve a request of
	// the app at the same time. It changes as workers come and go; nil: false.
	Multiprocess *atomic.Bool

	// The fields above, but for Trusted, Believed, Mount and Multiprocess, do not change once an environ was built.
	used   bool
	cached []byte // entries of the environ that all requests share
}

// HeadTooLarge is what a client is told whose request, without its body, is larger than a
// message to a worker may be.
const HeadTooLarge = "the request's head is too large"

// Misdirected is what a client is told that asks for a host which its connection was not
// made for.
const Misdirected = "the connection was made for another host"

// HeadLate is what a client is told whose request has begun and did not go on, with the time
// it had (request.header_timeout).
const HeadLate = "the request's head did not arrive within %v"
