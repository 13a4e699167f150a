package link

import (
	"os"
	"sync/atomic"

	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
)

// filePart is a part of a file that is being sent. A goroutine reads one piece
// at a time; the link sends it and says how long the next may be.
type filePart struct {
	f       *os.File
	offset  int64
	left    int64 // bytes not yet read
	after   int64 // bytes of the response behind the file, -1 if not known
	chunked bool
	paused  bool        // the next piece is read when the last is sent
	claim   int64       // what the piece that is read has of the budget
	owner   atomic.Bool // the reader is at work, and closes the file if it is left alone
	lost    atomic.Bool // the connection is gone
}

// filePiece sizes: small ones are read in one go; the pace says more.
const minPiece = 256 << 10

// startFile begins to send a part of a file.
func (l *Link) startFile(c *conn, o op) {
	c.file = o.file
	c.file.after = o.rest
	l.readPiece(c, o.reply)
}

// readPiece makes a goroutine read the next piece.
func (l *Link) readPiece(c *conn, r *Reply) {
	p := c.file
	c.pace.refresh(l.now)
	rest := p.left
	if p.after > 0 {
		rest += p.after
	}
	// Equal pieces into the places that are left, so that the largest is as
	// small as can be.
	n := max(minPiece, rest/int64(max(maxLevel-1-c.pace.level, 1))+1)
	if c.pace.level >= maxLevel-1 {
		n = min(n, largeSize)
	}
	n = min(n, p.left)
	p.paused = false
	if l.congested(int(n)) || !l.claim(n) {
		l.starved = append(l.starved, c)
		return
	}
	p.claim = n
	p.owner.Store(true)
	go p.read(l, r, int(n))
}

// read reads one piece and gives it to the link.
func (p *filePart) read(l *Link, r *Reply, n int) {
	m := newMessage(r.addr)
	m.reserve(n + 24)
	if p.chunked {
		m.b = http1.AppendChunkHead(m.b, int64(n))
	}
	at := len(m.b)
	m.b = m.b[:at+n]
	_, err := p.f.ReadAt(m.b[at:], p.offset)
	if p.chunked {
		m.b = append(m.b, "\r\n"...)
	}
	p.offset += int64(n)
	p.left -= int64(n)
	p.owner.Store(false)
	if p.lost.Load() || !l.post(op{reply: r, msg: m, piece: true, claim: p.claim, fail: err != nil}) {
		m.free()
		_ = p.f.Close()
		l.unclaim(p.claim)
		l.wake()
	}
}

// filePiece takes a piece that was read.
func (l *Link) filePiece(c *conn, o op) {
	p := c.file
	defer l.unclaim(o.claim)
	if o.fail {
		l.warn("file", "a file ended before the part of it that an application sends", "file", p.f.Name())
		o.msg.free()
		l.fileDone(c)
		for i := range c.ops {
			c.ops[i].discard()
		}
		c.ops = nil
		o.reply.gone.Store(true)
		l.put(c, nil, 0, true, true)
		return
	}
	rest := p.left
	if p.after >= 0 {
		rest += p.after
	} else if p.left == 0 {
		rest = -1
	}
	l.put(c, o.msg, rest, false, false)
	if c.file != p { // what waited before it could not be sent: the client is cut off
		return
	}
	if p.left > 0 {
		if c.pending() { // the piece waits for its time: one in memory is enough
			p.paused = true
			return
		}
		l.readPiece(c, o.reply)
		return
	}
	l.fileDone(c)
	ops := c.ops
	c.ops = nil
	for _, next := range ops {
		l.apply(next)
	}
}

func (l *Link) fileDone(c *conn) {
	_ = c.file.f.Close()
	c.file = nil
}

// abandon gives the part up; its reader closes the file if it is at work.
func (p *filePart) abandon() {
	p.lost.Store(true)
	if !p.owner.Load() {
		_ = p.f.Close()
	}
}
