package link

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link/lazyzmq"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// What waits in this process for mongrel2's clients is within the budget of
// Config.Store: bytes that wait for their time lie in unread queues, and a piece of
// a file is read when there is memory for it. Past the budget whoever makes a
// response waits (Events.Full), and what there is goes out soon (hurriedDelay): a
// client that does not keep up with that, mongrel2 cuts off. Where it is only a disk that
// does not keep up they wait for that, and no client is hurried before unread.HeldWindow.
//
// One piece may be larger than the budget where it is the only one: mongrel2's
// sixteen places make a piece at least a fourteenth of a file. What ZeroMQ has taken
// comes on top; there is no more while it has zmqMost bytes, because mongrel2 does
// not keep up.

const (
	zmqMost        = 8 << 20
	zmqLong        = 32 << 10 // shorter messages are always sent
	congestedDelay = 5 * time.Millisecond
)

// congested tells that a message of that size is to wait because ZeroMQ has enough.
func (l *Link) congested(size int) bool { return size >= zmqLong && lazyzmq.Queued() > zmqMost }

// pending tells that bytes wait to be sent.
func (c *conn) pending() bool { return c.out != nil || c.keptN > 0 }

func (c *conn) pendingN() int {
	n := int(c.keptN)
	if c.out != nil {
		n += c.out.size()
	}
	return n
}

// hurried tells that there is no room for what a connection's response brings.
func (l *Link) hurried(c *conn) bool {
	return l.store.Pressed() || c.full && (!c.lacksRoom || c.kept.Pressed() || l.now.Sub(c.fullSince) >= unread.HeldWindow)
}

// keep puts what is not due yet within the budget.
func (l *Link) keep(c *conn) {
	if c.out == nil {
		return
	}
	room := c.kept.Add(c.out.payload())
	c.keptN += int64(c.out.size())
	c.out.free()
	c.out = nil
	if room && (c.rest >= 0 || c.keptN < largeSize) {
		return
	}
	if !c.full {
		c.full, c.fullSince = true, l.now
	}
	c.lacksRoom = !room
	// What fills the room may be of the request before.
	if c.cur != nil && c.told != c.cur && l.events.Full != nil {
		c.told = c.cur
		l.events.Full(c.cur)
	}
	if !room {
		c.kept.Await(func() { l.post(op{room: c}) })
	}
}

// roomAgain: there may be, for what is kept of a connection.
func (l *Link) roomAgain(c *conn) {
	if c.full && c.lacksRoom && c.kept.Room() {
		l.roomy(c)
	}
}

// roomy lets whoever waits for room go on.
func (l *Link) roomy(c *conn) {
	c.full, c.lacksRoom = false, false
	if r := c.told; r != nil {
		c.told = nil
		if r == c.cur && l.events.Room != nil {
			l.events.Room(r)
		}
	}
}

// sendPending sends all that waits.
func (l *Link) sendPending(c *conn) {
	m := c.out
	c.out = nil
	if c.keptN > 0 {
		var ok bool
		if m, ok = l.gather(c, m); !ok {
			return
		}
	}
	if c.pace.level >= maxLevel && l.hurried(c) {
		l.warn("budget", "responses for clients of mongrel2 wait for buffer space ("+l.store.Shortage()+"): those that read too slowly are disconnected by mongrel2")
	}
	l.send(c, m)
	l.roomy(c)
}

// gather makes one message of what was kept and what came behind it.
func (l *Link) gather(c *conn, last *message) (*message, bool) {
	m := newMessage(c.addr)
	n := c.pendingN() + 1
	if last != nil {
		n += last.size()
	}
	m.reserve(n)
	for !c.kept.Empty() {
		at := len(m.b)
		b, err := c.kept.Peek(m.b[at:cap(m.b)])
		if err != nil {
			l.warn("kept", "cannot send on a response; the client is disconnected", "error", err)
			m.free()
			if last != nil {
				last.free()
			}
			c.kept.Close()
			c.keptN = 0
			l.sendClose(c)
			l.gone(c)
			return nil, false
		}
		m.b = append(m.b, b...)
		c.kept.Take(int64(len(b)))
	}
	c.keptN = 0
	if last != nil {
		m.b = append(m.b, last.payload()...)
		last.free()
	}
	return m, true
}

// claim takes n bytes of the budget for a piece of a file. The first is always to
// be had.
func (l *Link) claim(n int64) bool {
	if !l.store.Claim(n, l.reading.Load() == 0) {
		return false
	}
	l.reading.Add(n)
	return true
}

func (l *Link) unclaim(n int64) {
	l.store.Unclaim(n)
	l.reading.Add(-n)
}

// feedStarved goes on with files that waited for some of the budget.
func (l *Link) feedStarved() (worked bool) {
	waiting := l.starved
	l.starved = nil
	for i, c := range waiting {
		if c.cur == nil || c.file == nil || c.file.owner.Load() {
			continue
		}
		l.readPiece(c, c.cur)
		if len(l.starved) > 0 {
			l.starved = append(l.starved, waiting[i+1:]...)
			break
		}
		worked = true
	}
	return worked
}
