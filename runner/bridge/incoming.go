package bridge

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Limits are those of one request. Zero durations mean no limit.
type Limits struct {
	MaxBody          int64         // in bytes, 413 beyond
	HeaderTimeout    time.Duration // for the handshake, and for a head: 408
	BodyTimeout      time.Duration // without a byte of a body: 408; without a byte taken of a response: closed
	MinRate          int64         // bytes a second that a client takes of a response, on average over BodyTimeout; 0: any
	KeepAliveTimeout time.Duration // of an idle connection
	Head             http1.Limits  // of a head
	Reasons          bool          // errors of ours tell the client why
	Anonymous        bool          // no X-Wsgid
	Unbuffered       bool          // bodies go to the application as they arrive, see Incoming.Upload
}

// Incoming is one request, encoded, and complete but for its Upload.
type Incoming struct {
	// Msg is a whole wsgi.MsgRequest message without its sequence number. Where
	// the body is in File its flag is set. The taker owns both.
	Msg  []byte
	File *unread.Body // the body past wsgi.MaxInlineBody, from offset 0; nil: it is in Msg
	// Upload is the body where it comes as it arrives; nil: all of it is there. The taker
	// tells it when it is wanted, calls End when the worker knows why it ends, and Close
	// when the request is over.
	Upload *Upload
	// Sink takes the response, on any goroutine but one at a time.
	Sink wsgi.Sink
	// Method, Target and Remote are for log lines.
	Method, Target, Remote string
	// Token is the taker's own; Server.Note fills it.
	Token any

	out *response
}

// Ended tells that Sink has seen the end of the response.
func (in *Incoming) Ended() bool { return in.out.isEnded() }

// submit encodes a request and hands it over.
func (s *Server) submit(r *wsgi.Request, p *wsgi.Peer, b *body, out *response) (*Incoming, bool) {
	in := &Incoming{Sink: out, Method: string(r.Method), Target: string(r.Path), Remote: p.RemoteAddr, out: out}
	if s.Static != nil && s.Static(r, p, out) {
		out.in = in
		b.close()
		return in, true
	}
	if s.Note != nil {
		in.Token = s.Note(r, p)
	}
	var flags byte
	switch {
	case b.up != nil:
		flags = wsgi.FlagBodyFile | wsgi.FlagBodyStream
	case b.file != nil:
		flags = wsgi.FlagBodyFile
	}
	in.Msg = wsgi.AppendRequest(make([]byte, 0, 1024+len(b.memory)), flags, 0, r, p)
	if len(in.Msg)+len(b.memory) > wsgi.MaxMessage {
		b.close()
		return nil, false
	}
	in.Msg = append(in.Msg, b.memory...)
	in.File, b.file = b.file, nil
	in.Upload, b.up = b.up, nil
	out.in = in
	s.Submit(in)
	return in, true
}
