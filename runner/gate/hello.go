package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// MaxHello is the longest ClientHello that is read, records and all.
const MaxHello = 16 << 10

// Hello is what a TLS client says before anything is encrypted.
type Hello struct {
	Name  string   // of its server_name extension, as it was sent; empty: it sent none
	ALPN  []string // protocols that it speaks, best first
	bytes []byte
}

var (
	errNoTLS     = errors.New("it is not the start of a TLS connection")
	errHelloLong = errors.New("its ClientHello is larger than 16 KiB")
)

const (
	recordHandshake = 22
	recordHead      = 5
	maxRecord       = 16 << 10
	typeClientHello = 1
)

// isTLS tells whether the first byte of a connection begins a TLS record.
func isTLS(first byte) bool { return first == recordHandshake }

// helloSize tells how far the ClientHello at the start of b reaches, over any number
// of records; 0: it is not all there. What it is made of is not looked at: the parser
// of the server that will serve the connection does that.
func helloSize(b []byte) (int, error) {
	var head [4]byte // of the message, which records may cut anywhere
	have, need := 0, len(head)
	for at := 0; ; {
		rest := b[at:]
		if len(rest) > 0 && rest[0] != recordHandshake || len(rest) > 1 && rest[1] >= 0x10 {
			return 0, errNoTLS
		}
		if len(rest) < recordHead {
			break
		}
		n := int(rest[3])<<8 | int(rest[4])
		if n == 0 || n > maxRecord {
			return 0, errNoTLS
		}
		body := rest[recordHead:min(recordHead+n, len(rest))]
		if have < len(head) {
			copy(head[have:], body)
			if have == 0 && len(body) > 0 && body[0] != typeClientHello {
				return 0, errNoTLS
			}
		}
		have += len(body)
		if have >= len(head) {
			need = len(head) + int(head[1])<<16 + int(head[2])<<8 + int(head[3])
			if need > MaxHello {
				return 0, errHelloLong
			}
		}
		at += recordHead + n
		if have >= need && at <= len(b) {
			return at, nil
		}
		if at > MaxHello {
			return 0, errHelloLong
		}
		if at > len(b) {
			break
		}
	}
	return 0, nil
}

// readHello reads the ClientHello at the start of b. Nil without an error asks for
// more bytes. It is read by crypto/tls itself, which is what serves the connection
// later: what the gate goes by is what the server sees.
func readHello(b []byte) (*Hello, error) {
	n, err := helloSize(b)
	if err != nil || n == 0 {
		return nil, err
	}
	h := &Hello{bytes: b[:n]}
	if err := tls.Server(h, readsHello).HandshakeContext(context.Background()); !errors.Is(err, errSeen) {
		return nil, err
	}
	h.bytes = nil
	return h, nil
}

// readsHello ends every handshake as soon as the hello is read.
var readsHello = &tls.Config{GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
	h := i.Conn.(*Hello)
	h.Name, h.ALPN = i.ServerName, i.SupportedProtos
	return nil, errSeen
}}

var errSeen = errors.New("enough is known")

// A Hello is the connection that crypto/tls reads it from.

// Read implements net.Conn.
func (h *Hello) Read(p []byte) (int, error) {
	if len(h.bytes) == 0 {
		return 0, io.EOF
	}
	n := copy(p, h.bytes)
	h.bytes = h.bytes[n:]
	return n, nil
}

// Write implements net.Conn: alerts go nowhere.
func (h *Hello) Write(p []byte) (int, error) { return len(p), nil }

// Close implements net.Conn.
func (*Hello) Close() error { return nil }

// LocalAddr implements net.Conn.
func (*Hello) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn.
func (*Hello) RemoteAddr() net.Addr { return nil }

// SetDeadline implements net.Conn.
func (*Hello) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (*Hello) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (*Hello) SetWriteDeadline(time.Time) error { return nil }
