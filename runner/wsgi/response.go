package wsgi

import "os"

// ResponseHead is the head of a response as the host sent it (MsgHead).
type ResponseHead struct {
	Status int    // 200 to 599
	Line   []byte // status and reason: "200 OK"
	// Fields is the block of header lines, each ended by CR LF, without
	// Content-Length and without what the ingress itself decides (Connection,
	// Transfer-Encoding, Keep-Alive).
	Fields []byte
	// ContentLength is what the application said, -1 where it said nothing.
	ContentLength int64
	HasDate       bool
	HasServer     bool
}

// Sink takes one response. Its methods are called on the master's loop, in the
// order Head, then any number of Data and File, and must not block; byte slices
// are valid during the call only. The call with last set ends the response.
//
// Fail ends it too: before Head the sink answers with that status and a short
// plain text, after Head it cuts the connection so that the client sees that
// the response is not complete.
type Sink interface {
	Head(h *ResponseHead, body []byte, last bool)
	Data(b []byte, last bool)
	// File hands over the descriptor: the sink closes it.
	File(f *os.File, offset, length int64, last bool)
	Fail(status int, reason string)
}
