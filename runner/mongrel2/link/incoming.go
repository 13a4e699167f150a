package link

import (
	"os"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Incoming is one request with its body. It and everything in it, save for
// Reply and File, belong to the receiver until it calls Release, which it must
// do once, when the environ is built and the body handed on.
type Incoming struct {
	Request wsgi.Request
	Peer    wsgi.Peer
	Body    []byte // nil where the body is in File
	// File holds the body of an upload, at offset 0, Size bytes long. It has no
	// name any more. The receiver closes it.
	File *os.File
	Size int64

	Message Message
	Reply   *Reply

	m2      mongrel2.Request
	upload  *upload // its body's file is being opened; nil: it is not, or has none
	disk    *disk   // closes File where nobody takes it, as the end of a large file takes its time
	refusal refused
}

// refused tells that a request is answered without its application.
type refused struct {
	set    bool
	status int // 0: only a close
	why    string
}

// Message is the parts of mongrel2's message, for wsgid's filters.
type Message struct {
	ServerID []byte
	ClientID []byte
	Path     []byte
	Headers  []byte // JSON or the contents of a tnetstring dictionary
	JSON     bool   // which of them
	Body     []byte
}

var incomings = sync.Pool{New: func() any { return new(Incoming) }}

// Headers is the header dictionary of the message as mongrel2 sent it, for
// wsgid's filters: all keys, mongrel2's own too. A value is a string or a
// []string.
func (in *Incoming) Headers() map[string]any { return in.m2.Dict() }

// Release gives the memory of the request back.
func (in *Incoming) Release() {
	in.m2.Reset()
	*in = Incoming{
		Request: wsgi.Request{Headers: in.Request.Headers[:0]},
		m2:      in.m2,
	}
	incomings.Put(in)
}

// drop releases a request that nobody was given.
func (in *Incoming) drop() {
	if in.upload != nil {
		in.upload.in = nil
	}
	in.closeFile()
	in.Release()
}

// closeFile gives the body's file up.
func (in *Incoming) closeFile() {
	if f := in.File; f != nil {
		in.disk.do(func() { _ = f.Close() })
		in.File = nil
	}
}

// fill derives what the receiver sees from the message.
func (in *Incoming) fill(serverName string) {
	m := &in.m2
	r := &in.Request
	r.Method = m.Method
	r.Path = m.URLPath
	r.Query = m.Query
	r.Proto = "HTTP/1.1"
	if string(m.Version) == "HTTP/1.0" {
		r.Proto = "HTTP/1.0"
	}
	r.ScriptName = mongrel2.ScriptName(m.URLPath, m.Pattern)
	r.Host = m.Header("host")
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, wsgi.Header(h))
	}
	r.ContentLength = m.ContentLength
	r.Chunked = m.Chunked
	r.KeepAlive = m.KeepAlive()
	if in.File != nil {
		r.ContentLength = in.Size
	} else {
		in.Body = m.Body
	}
	// mongrel2 does not tell the port that it listens on.
	in.Peer = wsgi.Peer{
		RemoteAddr: text(m.RemoteAddr),
		ServerName: serverName,
		HTTPS:      string(m.URLScheme) == "https",
	}
	in.Message = Message{
		ServerID: m.Sender,
		ClientID: m.ConnID,
		Path:     m.Path,
		Headers:  m.RawHeaders,
		JSON:     m.JSON,
		Body:     m.Body,
	}
}
