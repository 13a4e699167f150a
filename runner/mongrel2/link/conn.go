package link

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// conn is a client's connection with at least one request in progress, or with
// bytes to send. It belongs to the link's goroutine.
type conn struct {
	key    connKey
	id     []byte // decimal
	addr   []byte // see mongrel2.AppendAddress
	cur    *Reply // the request given out; nil: none
	held   []*Incoming
	heldN  int  // bytes of held
	reject bool // too much is held: close after the current answer

	kept      unread.Queue // bytes that wait for their time, within the budget
	keptN     int64
	out       *message  // bytes behind them that were just given; nil: none
	since     time.Time // when the first of all these came
	full      bool      // too much waits: who makes the response must wait too
	lacksRoom bool      // full, because there was no room
	fullSince time.Time
	told      *Reply // whose maker was told so
	rest      int64  // bytes that follow of the response, -1 if not known
	ended     bool   // out ends a response
	close     bool   // to be closed after out
	queued    bool   // in Link.waiting

	file *filePart // being read; what comes behind it waits in ops
	ops  []op

	pace  pace
	touch time.Time // of the last sign of life towards the server
	addrs []byte    // memory for id and addr
}

const (
	// maxHeld and maxHeldBytes bound what a client can pipeline.
	maxHeld      = 256
	maxHeldBytes = 4 << 20
)

// drainOutbox carries out what replies asked for.
func (l *Link) drainOutbox() bool {
	l.mu.Lock()
	ops := l.outbox
	l.outbox = l.spare[:0]
	signalled := l.signalled
	l.asleep, l.signalled = false, false
	l.mu.Unlock()
	if signalled {
		l.sock.silence()
	}
	for i := range ops {
		l.apply(ops[i])
		ops[i] = op{}
	}
	l.spare = ops[:0]
	return len(ops) > 0
}

// discard frees what an operation holds.
func (o *op) discard() {
	if o.claim > 0 {
		o.reply.link.unclaim(o.claim)
	}
	if o.msg != nil {
		o.msg.free()
	}
	if o.file != nil {
		_ = o.file.f.Close()
	}
	if o.upload != nil {
		o.upload.discard()
	}
}

// apply carries out one operation.
func (l *Link) apply(o op) {
	switch {
	case o.room != nil:
		l.roomAgain(o.room)
		return
	case o.upload != nil:
		l.uploadOpened(o.upload)
		return
	case o.then != nil:
		o.then()
		return
	}
	r := o.reply
	c := r.conn
	if c == nil || c.cur != r { // the client, or the server's life, is over
		o.discard()
		return
	}
	if c.file != nil && !o.piece {
		c.ops = append(c.ops, o)
		return
	}
	switch {
	case o.file != nil:
		l.startFile(c, o)
		return
	case o.piece:
		l.filePiece(c, o)
		return
	}
	l.put(c, o.msg, o.rest, o.last, o.close)
}

// put takes bytes of the current response and sends what is due.
func (l *Link) put(c *conn, m *message, rest int64, last, closeAfter bool) {
	if m != nil && m.size() == 0 {
		// An empty payload would be a close.
		m.free()
		m = nil
	}
	switch {
	case m == nil:
	case c.out == nil:
		if c.keptN == 0 {
			c.since = l.now
		}
		c.out = m
	default:
		c.out.b = append(c.out.b, m.payload()...)
		m.free()
	}
	c.rest, c.ended = rest, last
	c.close = c.close || closeAfter
	if last {
		l.finish(c)
		return
	}
	l.flush(c)
}

// flush sends the waiting bytes of a connection if it is time, else it puts
// the connection among those that wait.
func (l *Link) flush(c *conn) {
	if !c.pending() && (!c.close || !c.ended) {
		return
	}
	c.pace.refresh(l.now)
	if c.pending() && l.due(c) {
		l.sendPending(c)
		if c.file != nil && c.file.paused {
			l.readPiece(c, c.cur)
		}
	}
	if !c.pending() && c.close && c.ended {
		// With sixteen messages queued the close would be lost: the level is
		// fifteen at most.
		l.sendClose(c)
		l.forget(c)
		return
	}
	l.keep(c)
	if c.pending() && !c.queued {
		c.queued = true
		l.waiting = append(l.waiting, c)
	}
}

// due tells whether the waiting bytes are to be sent now.
func (l *Link) due(c *conn) bool {
	if l.congested(c.pendingN()) {
		return false
	}
	return c.pace.due(l.now, c.since, c.pendingN(), c.rest, c.quiet(), l.hurried(c))
}

// dueIn is how long the waiting bytes of a connection can wait.
func (l *Link) dueIn(c *conn) time.Duration {
	if l.congested(c.pendingN()) {
		return congestedDelay
	}
	return c.pace.dueIn(l.now, c.since, c.pendingN(), c.quiet(), l.hurried(c))
}

// quiet tells that nothing can be added to the waiting bytes soon.
func (c *conn) quiet() bool { return c.ended && c.cur == nil && len(c.held) == 0 }

// finish ends the current response: the next request of the connection is
// given out.
func (l *Link) finish(c *conn) {
	c.cur.conn = nil
	c.cur = nil
	l.active.Add(-1)
	if c.close || c.reject {
		c.close, c.ended = true, true
		c.dropHeld()
		l.flush(c)
		return
	}
	l.flush(c)
	l.next(c)
}

// next gives out the next request of a connection that has none in progress.
func (l *Link) next(c *conn) {
	if len(c.held) == 0 {
		if !c.pending() {
			l.forget(c)
		}
		return
	}
	in := c.held[0]
	if in.upload != nil {
		return // the disk has yet to answer
	}
	c.held[0] = nil
	c.held = c.held[1:]
	c.heldN -= len(in.Message.Body)
	l.start(c, in)
}

// give hands a request to the receiver.
func (l *Link) give(c *conn, in *Incoming) {
	r := &Reply{link: l, conn: c, addr: c.addr}
	r.init(&in.m2)
	in.Reply = r
	c.cur = r
	c.ended = false
	l.active.Add(1)
	l.batch = true
	l.events.Request(in)
}

// newConn begins a connection's entry in the books.
func (l *Link) newConn(key connKey, id []byte) *conn {
	var c *conn
	if n := len(l.free); n > 0 {
		c = l.free[n-1]
		l.free = l.free[:n-1]
		*c = conn{held: c.held[:0], addrs: c.addrs}
	} else {
		c = new(conn)
	}
	c.key, c.touch, c.kept.Store = key, l.now, l.store
	// Replies keep addr when the entry is used anew: it is never overwritten.
	if cap(c.addrs)-len(c.addrs) < len(key.sender)+2*len(id)+8 {
		c.addrs = make([]byte, 0, 1024)
	}
	at := len(c.addrs)
	c.addrs = append(c.addrs, id...)
	c.id = c.addrs[at:len(c.addrs):len(c.addrs)]
	at = len(c.addrs)
	c.addrs = mongrel2.AppendAddress(c.addrs, []byte(key.sender), c.id)
	c.addr = c.addrs[at:len(c.addrs):len(c.addrs)]
	return c
}

// maxFree bounds the entries that are kept for use anew.
const maxFree = 256

// forget takes a connection out of the books.
func (l *Link) forget(c *conn) {
	if l.conns[c.key] != c {
		return
	}
	delete(l.conns, c.key)
	if !c.queued && c.file == nil && len(l.free) < maxFree {
		l.free = append(l.free, c)
	}
}

// gone ends a connection whose client, or server, is gone.
func (l *Link) gone(c *conn) {
	l.forget(c)
	r := c.cur
	c.abandon()
	if r != nil {
		l.active.Add(-1)
		if l.events.Gone != nil {
			l.batch = true
			l.events.Gone(r)
		}
	}
}

// abandon frees what a connection holds; its reply is heard no more.
func (c *conn) abandon() {
	if c.cur != nil {
		c.cur.gone.Store(true)
		c.cur.conn = nil
		c.cur = nil
	}
	c.dropHeld()
	for i := range c.ops {
		c.ops[i].discard()
	}
	c.ops = nil
	if c.file != nil {
		c.file.abandon()
		c.file = nil
	}
	if c.out != nil {
		c.out.free()
		c.out = nil
	}
	c.kept.Close()
	c.keptN, c.full, c.lacksRoom, c.told = 0, false, false, nil
	c.close, c.ended = false, false
}

func (c *conn) dropHeld() {
	for _, in := range c.held {
		in.drop()
	}
	c.held, c.heldN = nil, 0
}

// flushed tells whether nothing is left to send that could be sent.
func (l *Link) flushed() bool {
	if l.now.Before(l.closeBy) {
		if len(l.waiting) > 0 {
			return false
		}
		for _, c := range l.conns {
			if c.file != nil {
				return false
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.outbox) == 0
}
