package mongrel2

// Kind is what a message is.
type Kind uint8

const (
	// KindHTTP is an HTTP request with its whole body.
	KindHTTP Kind = iota
	// KindUploadStart announces an HTTP request whose body mongrel2 is about to
	// write to UploadPath. It is for refusing it early; KindUploadDone follows.
	KindUploadStart
	// KindUploadDone is an HTTP request whose body is in UploadPath.
	KindUploadDone
	// KindDisconnect says that the connection is gone, or that one was never
	// there which we wrote to.
	KindDisconnect
	// KindCredits is a notice of the server's flow control.
	KindCredits
	// KindHandshake is the request for a websocket.
	KindHandshake
	// KindWebSocket is a frame of a websocket.
	KindWebSocket
	// KindJSON is a message of mongrel2's raw JSON protocol.
	KindJSON
	// KindXML is a message of mongrel2's raw XML protocol.
	KindXML
	// KindForeignMethod is an HTTP request whose method is one of mongrel2's own
	// words (JSON, XML, WEBSOCKET, WEBSOCKET_HANDSHAKE): not an application's
	// business, 501.
	KindForeignMethod
)

var kindNames = [...]string{
	"http", "upload start", "upload done", "disconnect", "credits",
	"websocket handshake", "websocket frame", "json", "xml", "foreign method",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Header is one header field of the client. A repeated field is repeated here.
type Header struct {
	Name, Value []byte
}

// Request is one message of the server. Its slices point into the message that
// was parsed, save for JSON strings with escapes.
type Request struct {
	Kind Kind

	// The parts of the message as they came.
	Sender []byte // send_ident of the handler
	ConnID []byte // decimal
	ID     uint64 // ConnID as a number
	Path   []byte // "@*" in notices
	JSON   bool   // RawHeaders is JSON, else a tnetstring's contents
	// RawHeaders is the text inside the netstring.
	RawHeaders []byte
	Body       []byte

	// What mongrel2 says of the request.
	Method     []byte
	Version    []byte // "HTTP/1.1", "HTTP/1.0"; empty in messages that are not HTTP
	URI        []byte
	URLPath    []byte // PATH: percent-encoded, without the query
	Query      []byte
	Pattern    []byte // the route that matched
	URLScheme  []byte
	RemoteAddr []byte

	// Headers are the client's, in the message's order, with lower-case names,
	// without white space around the values, without mongrel2's upload headers.
	Headers []Header

	// ContentLength is the length of the body in bytes; -1 where it is not
	// known before the body has come (start of a chunked upload).
	ContentLength int64
	// Chunked tells that the client sent Transfer-Encoding: chunked.
	Chunked bool
	// UploadPath is the file of an upload, relative to mongrel2's chroot.
	UploadPath string
	// Fault is why the request must be refused with 400 and a close: another
	// server could see another request in it. Empty: none.
	Fault string

	keys  int  // in the header dictionary
	flags bool // FLAGS was there
}

// Reset makes r ready for another message and keeps its memory.
func (r *Request) Reset() {
	*r = Request{Headers: r.Headers[:0]}
}

// IsHTTP tells whether the message is an HTTP request for an application.
func (r *Request) IsHTTP() bool {
	return r.Kind == KindHTTP || r.Kind == KindUploadDone || r.Kind == KindUploadStart
}

// KeepAlive tells whether the client wants its connection kept (RFC 9112
// section 9.3). mongrel2 itself never closes one.
func (r *Request) KeepAlive() bool {
	keep := string(r.Version) != "HTTP/1.0"
	for i := range r.Headers {
		h := &r.Headers[i]
		if string(h.Name) != "connection" {
			continue
		}
		switch {
		case hasToken(h.Value, "close"):
			return false
		case hasToken(h.Value, "keep-alive"):
			keep = true
		}
	}
	return keep
}

// Header returns the first value of a header field, by its lower-case name.
func (r *Request) Header(name string) []byte {
	for i := range r.Headers {
		if string(r.Headers[i].Name) == name {
			return r.Headers[i].Value
		}
	}
	return nil
}

// ValidIdent tells whether mongrel2 can read answers addressed with this
// ident: with any other character ("_" is a frequent one) it drops each of
// them.
func ValidIdent(ident []byte) bool {
	for _, c := range ident {
		if !isAlnum(c) && c != '-' {
			return false
		}
	}
	return len(ident) > 0
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
