package gate

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// list holds connections that wait for the same thing for the same time: the one that
// has waited longest is the first. Each is in at most one list.
type list struct {
	loop        *evloop.Loop
	limit       time.Duration
	expired     func(c *conn) // takes it out of the list
	first, last *conn
	n           int
	timer       evloop.Timer
}

func newList(l *evloop.Loop, limit time.Duration, expired func(c *conn)) *list {
	q := &list{loop: l, limit: limit, expired: expired}
	q.timer.Do = q.sweep
	return q
}

// push adds a connection, which waits from now on.
func (q *list) push(c *conn) {
	c.since = q.loop.Now()
	c.in, c.prev, c.next = q, q.last, nil
	if q.last == nil {
		q.first = c
	} else {
		q.last.next = c
	}
	q.last = c
	q.n++
	q.loop.SetBy(&q.timer, c.since+int64(q.limit))
}

// remove takes a connection out of the list that it is in, if any.
func (c *conn) remove() {
	q := c.in
	if q == nil {
		return
	}
	if c.prev == nil {
		q.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		q.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	q.n--
	c.in, c.prev, c.next = nil, nil, nil
	if q.n == 0 {
		q.loop.Clear(&q.timer)
	}
}

// sweepEvery is how exactly time limits are kept.
const sweepEvery = 100 * time.Millisecond

// sweep ends those whose time is up.
func (q *list) sweep() {
	for c := q.first; c != nil && c.since+int64(q.limit) <= q.loop.Now(); c = q.first {
		q.expired(c)
		if q.first == c { // it must not stay
			c.remove()
		}
	}
	if q.first != nil {
		q.loop.SetBy(&q.timer, max(q.first.since+int64(q.limit), q.loop.Now()+int64(sweepEvery)))
	}
}
