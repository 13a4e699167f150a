package httpserver

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// copyLimit is the size up to which a body is copied behind its head, to send
// both in one plain call.
const copyLimit = 16 << 10

// Head implements wsgi.Sink.
func (c *conn) Head(h *wsgi.ResponseHead, body []byte, last bool) {
	s := c.server
	size := int64(-1)
	if last {
		size = int64(len(body))
	}
	if c.closing() {
		c.keep = false
	}
	if c.uploading() {
		c.keep, c.last = false, true
	}
	var framing http1.Framing
	s.wbuf, framing = http1.AppendHead(s.wbuf[:0], h, s.options(c, size))
	c.chunked = framing == http1.FramingChunked
	c.noBody = framing == http1.FramingNone
	if framing == http1.FramingClose {
		c.keep = false
	}
	c.sendLeft = -1
	if framing == http1.FramingLength {
		c.sendLeft = h.ContentLength
		if c.sendLeft < 0 {
			c.sendLeft = size
		}
	}
	if c.out.cipher != nil && last && !c.keep && (c.noBody || c.sendLeft == int64(len(body))) && c.out.Empty() {
		c.out.cipher.Last()
	}
	if c.noBody {
		c.write(s.wbuf, nil)
	} else {
		c.writeBody(s.wbuf, body)
	}
	if last {
		c.complete()
	}
}

// Data implements wsgi.Sink.
func (c *conn) Data(b []byte, last bool) {
	if c.state == connBusy && len(b) > 0 && !c.noBody {
		c.writeBody(nil, b)
	}
	if last {
		c.complete()
	}
}

// File implements wsgi.Sink.
func (c *conn) File(file *os.File, offset, length int64, last bool) {
	if c.sendLeft >= 0 {
		length = min(length, c.sendLeft)
	}
	switch {
	case c.state != connBusy || c.noBody || length <= 0:
		_ = file.Close()
	default:
		if c.sendLeft >= 0 {
			c.sendLeft -= length
		}
		c.keepFile(file, offset, length)
		c.flush()
	}
	if last {
		c.complete()
	}
}

// keepFile queues a part of a file, as one chunk where the response is chunked.
func (c *conn) keepFile(file *os.File, offset, length int64) {
	if !c.chunked {
		c.out.AddFile(file, offset, length)
		return
	}
	c.server.wbuf = http1.AppendChunkHead(c.server.wbuf[:0], length)
	c.out.Add(c.server.wbuf)
	c.out.AddFile(file, offset, length)
	c.out.Add(crlf)
}

var (
	crlf      = []byte("\r\n")
	lastChunk = []byte(http1.LastChunk)
)

// Fail implements wsgi.Sink.
func (c *conn) Fail(status int, reason string) {
	x := c.x
	c.x = nil
	c.endUpload()
	if x != nil && x.HasHead() {
		c.cut()
		return
	}
	c.respond(status, reason)
	c.pump()
}

// writeBody sends a head, if any, and a piece of the body in its framing.
func (c *conn) writeBody(head, body []byte) {
	s := c.server
	if c.sendLeft >= 0 {
		if int64(len(body)) > c.sendLeft {
			body = body[:c.sendLeft]
		}
		c.sendLeft -= int64(len(body))
	}
	if len(body) == 0 {
		if len(head) > 0 {
			c.write(head, nil)
		}
		return
	}
	if c.chunked {
		if head == nil {
			head = s.wbuf[:0]
		}
		head = http1.AppendChunkHead(head, int64(len(body)))
		if len(body) <= copyLimit {
			head = append(append(head, body...), "\r\n"...)
			s.wbuf = head[:0]
			c.write(head, nil)
			return
		}
		s.wbuf = head[:0]
		c.write(head, body)
		c.write(crlf, nil)
		return
	}
	if len(head) > 0 && len(body) <= copyLimit {
		head = append(head, body...)
		s.wbuf = head[:0]
		c.write(head, nil)
		return
	}
	if len(head) > 0 {
		c.write(head, body)
	} else {
		c.write(body, nil)
	}
}

// complete: the worker has sent all of the response.
func (c *conn) complete() {
	if c.x != nil && (!c.out.Empty() || c.sendLeft > 0) {
		c.unsent = string(c.x.Label)
	}
	c.x = nil
	c.endUpload()
	if c.state != connBusy {
		return
	}
	if c.chunked && !c.noBody {
		c.write(lastChunk, nil)
	}
	if c.sendLeft > 0 && !c.noBody {
		// Fewer bytes than Content-Length said: only the end of the connection can
		// tell the client.
		c.keep = false
		c.server.log.Warn(c.what() + ": the response was shorter than its Content-Length; the connection is closed")
	}
	c.ended()
	c.pump()
}

// ended moves on when the response has been handed over entirely.
func (c *conn) ended() {
	switch {
	case c.state == connClosed:
	case !c.out.Empty():
		c.state = connFlush
		c.list()
	default:
		c.next()
	}
}

// next waits for the next request, or closes.
func (c *conn) next() {
	if !c.keep || c.closing() {
		// Closing with something unread would reset the connection, and the client
		// might never see the response. What came a moment ago nobody has told us of.
		// Who has sent more already may be about to send still more, and so may who has
		// not said that this request is the last one (RFC 9112, section 9.6).
		if c.last || c.goesOn || len(c.in) > 0 || c.readable && c.out.cipher == nil || evloop.HasUnread(c.fd) {
			c.linger()
		} else {
			c.farewell()
			c.close()
		}
		return
	}
	c.state = connHead
	c.begun = false
	c.idleSince = c.server.loop.Now()
	if c.out.cipher != nil {
		c.readable = true // the next request may be in the record of the one before
	}
	if c.leaving() {
		if !c.inPump { // which gives it away when it has kept what it read
			c.server.successor.handOff(c)
			c.server.checkEmpty()
		}
		return
	}
	c.until(c.server.spec.Request.KeepAliveTimeout.D())
	c.list()
}

// write sends a and b, and keeps what the socket does not take.
func (c *conn) write(a, b []byte) {
	if c.state == connClosed {
		return
	}
	if c.out.Empty() {
		var n int
		var errno syscall.Errno
		switch {
		case c.out.cipher != nil:
			n, errno = c.out.cipher.Write(a, b)
		case len(b) > 0:
			n, errno = evloop.Sendv(c.fd, a, b)
		case c.more:
			n, errno = evloop.SendMore(c.fd, a)
		default:
			n, errno = evloop.Send(c.fd, a)
		}
		c.more = false
		switch {
		case errno == 0 && n == len(a)+len(b):
			if !c.out.Empty() {
				c.watch()
				c.list()
			}
			return
		case errno == 0:
			if n < len(a) {
				a = a[n:]
			} else {
				a, b = b[n-len(a):], nil
			}
		case !isTransient(errno):
			c.close()
			return
		}
	}
	room := c.out.Add(a)
	if len(b) > 0 {
		room = c.out.Add(b)
	}
	if c.out.cipher != nil && !c.out.cipher.Owes() {
		// It takes a part at a time: that there is more room nobody tells.
		if c.flush(); c.out.Empty() {
			return
		}
	}
	if !room {
		c.holdWorker()
	}
	c.watch()
	c.list()
}

// cut closes the connection in the middle of a response, so that the client can
// tell.
func (c *conn) cut() {
	if !c.chunked && c.sendLeft < 0 {
		// A plain end would look like the end of the response.
		_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	c.close()
}

// maxFlush is how many bytes are sent on a connection before others have their
// turn.
const maxFlush = 8 << 20

// flush sends what is kept, as far as the socket takes it.
func (c *conn) flush() {
	for sent := 0; !c.out.Empty(); {
		if sent >= maxFlush {
			c.server.loop.Post(func() {
				if !c.out.Empty() {
					c.flush()
				}
			})
			return
		}
		n, errno := c.out.send(c.fd, c.server.rbuf, c)
		if errno == syscall.EINTR {
			continue
		}
		if errno == syscall.EAGAIN {
			c.watch()
			return
		}
		if errno == errNotReady {
			return
		}
		if errno != 0 {
			if errno == syscall.EIO {
				c.server.log.Error(c.what() + ": a file that is sent ended before its length, or cannot be read; the connection is closed")
			}
			c.cut()
			return
		}
		sent += n
		c.sent += int64(n)
	}
	c.deadline = 0
	c.watched = 0
	c.warm = nil
	c.throttled.Resume()
	c.throttled = nil
	if c.state == connFlush {
		c.next()
		c.pump()
	}
}
