package http1

import "strconv"

// Error is why a request is refused: answer with Status, then close.
type Error struct {
	Status int    // 400, 414, 417, 431, 501 or 505
	Reason string // for the log and the client: "duplicate Host"
	// Setting is the attribute of the spec that decided it, for the log; empty: none.
	Setting string
}

func (e *Error) Error() string {
	return "cannot read request: " + e.Reason + " (" + strconv.Itoa(e.Status) + ")"
}

func bad(reason string) *Error { return &Error{Status: 400, Reason: reason} }

// One value for each reason, so that a flood of rubbish allocates nothing.
var (
	errBareLF         = bad("a line ends without CR")
	errStart          = bad("request does not start with a method")
	errEmptyLines     = bad("empty lines before the request")
	errMethod         = bad("method is not a token")
	errRequestLine    = bad("request line is not METHOD TARGET VERSION")
	errTargetChar     = bad("control character in the target")
	errTargetForm     = bad("target is neither a path nor an absolute http URI")
	errTargetHost     = bad("invalid host in the target")
	errTargetStar     = bad("target * is for OPTIONS alone")
	errVersion        = bad("version is not HTTP/x.y")
	errFold           = bad("folded header line")
	errName           = bad("header name is not a token followed by a colon")
	errNameSpace      = bad("white space before the colon of a header")
	errValue          = bad("control character in a header")
	errNoHost         = bad("no Host")
	errHostTwice      = bad("duplicate Host")
	errHost           = bad("bad Host")
	errLength         = bad("bad Content-Length")
	errLengthTwice    = bad("duplicate Content-Length")
	errLengthChunked  = bad("Content-Length beside Transfer-Encoding")
	errCoding         = bad("bad Transfer-Encoding")
	errCodingTwice    = bad("duplicate Transfer-Encoding")
	errCoding10       = bad("Transfer-Encoding in HTTP/1.0")
	errCodingUnknown  = &Error{Status: 501, Reason: "Transfer-Encoding other than chunked"}
	errConnect        = &Error{Status: 501, Reason: "CONNECT is for proxies"}
	errVersionUnknown = &Error{Status: 505, Reason: "version is not HTTP/1.x"}
	errExpect         = &Error{Status: 417, Reason: "Expect other than 100-continue"}
	errLineLong       = &Error{Status: 414, Reason: "request line is too long", Setting: "request.max_line"}
	errHeadLong       = &Error{Status: 431, Reason: "headers are too long", Setting: "request.max_head"}
	errFields         = &Error{Status: 431, Reason: "too many headers", Setting: "request.max_headers"}

	errChunkSize    = bad("bad chunk size")
	errChunkExt     = bad("bad chunk extension")
	errChunkExtLong = bad("chunk extensions are too long")
	errChunkEnd     = bad("chunk does not end with CR LF")
	errTrailer      = bad("bad trailer")
	errTrailerLong  = &Error{Status: 431, Reason: "trailers are too long"}
)
