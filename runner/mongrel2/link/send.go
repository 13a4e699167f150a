package link

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2"
)

// send sends a message for a connection and frees it.
func (l *Link) send(c *conn, m *message) {
	if err := l.sock.send(m.b); err != nil {
		l.warn("send", "cannot send to mongrel2", "error", err)
	}
	c.pace.note(l.now, m.size())
	c.touch = l.now
	m.free()
}

// sendClose makes mongrel2 close a connection after what is queued for it.
func (l *Link) sendClose(c *conn) {
	l.send(c, newMessage(c.addr))
	l.closed.add(c.key, l.now)
}

// sendRaw answers a connection that is not in the books with a whole response
// and closes it.
func (l *Link) sendRaw(sender, id []byte, response []byte) {
	m := newMessage(mongrel2.AppendAddress(nil, sender, id))
	defer m.free()
	if len(response) > 0 {
		m.b = append(m.b, response...)
		if err := l.sock.send(m.b); err != nil {
			l.warn("send", "cannot send to mongrel2", "error", err)
		}
	}
	if err := l.sock.send(m.b[:m.head]); err != nil {
		l.warn("send", "cannot send to mongrel2", "error", err)
	}
}

// checkEvery is how often connections are looked at for keep-alive, as a part
// of Config.KeepAlive.
const checkEvery = 6

// tick does what is due by time. It reports whether it sent anything.
func (l *Link) tick() (worked bool) {
	if len(l.waiting) > 0 {
		still := l.waiting[:0]
		for _, c := range l.waiting {
			c.queued = false
			if !c.pending() {
				continue
			}
			c.pace.refresh(l.now)
			if !l.due(c) {
				c.queued = true
				still = append(still, c)
				continue
			}
			worked = true
			l.flush(c)
			if !c.pending() && c.cur == nil && len(c.held) == 0 {
				l.forget(c)
			}
		}
		clear(l.waiting[len(still):])
		l.waiting = still
	}
	if len(l.conns) > 0 && !l.now.Before(l.check) {
		l.check = l.now.Add(l.cfg.KeepAlive / checkEvery)
		for _, c := range l.conns {
			if (c.cur != nil || len(c.held) > 0) && l.now.Sub(c.touch) >= l.cfg.KeepAlive {
				c.touch = l.now
				worked = true
				l.sendKeepAlive(c)
			}
		}
	}
	l.uploads.tick(l)
	return l.feedStarved() || worked
}

func (l *Link) sendKeepAlive(c *conn) {
	m := newMessage(nil)
	defer m.free()
	m.b = mongrel2.AppendKeepAlive(m.b, []byte(c.key.sender), c.id)
	if err := l.sock.send(m.b); err != nil {
		l.warn("send", "cannot send to mongrel2", "error", err)
	}
}

// timeout is how long the goroutine may sleep; negative: until it is woken.
func (l *Link) timeout() time.Duration {
	d := time.Duration(-1)
	sooner := func(t time.Duration) {
		if d < 0 || t < d {
			d = max(t, 0)
		}
	}
	for _, c := range l.waiting {
		if c.pending() {
			sooner(l.dueIn(c))
		}
	}
	if len(l.conns) > 0 {
		sooner(l.check.Sub(l.now))
	}
	if t, ok := l.uploads.next(); ok {
		sooner(t.Sub(l.now))
	}
	if len(l.starved) > 0 {
		sooner(congestedDelay)
	}
	if !l.ready && !l.pulling && l.sock.pubSide.up {
		sooner(l.sock.pubSide.since.Add(stallAfter).Sub(l.now))
	}
	if !l.sock.pubSide.rejected.IsZero() || !l.sock.pullSide.rejected.IsZero() {
		sooner(redialAfter / 4)
	}
	if l.closing.Load() {
		sooner(10 * time.Millisecond)
	}
	return d
}
