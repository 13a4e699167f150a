package link

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// maxBatch is how many messages are taken before replies get their turn.
const maxBatch = 256

// drainControl hears from the server's subscription that it came or went.
func (l *Link) drainControl() {
	for l.sock.news() {
		msg, ok, err := receive(l.sock.pub)
		if err != nil {
			l.warn("control", "cannot receive from mongrel2", "error", err)
			return
		}
		if !ok {
			return
		}
		if len(msg) == 0 {
			continue
		}
		switch msg[0] {
		case 1:
			l.serverCame(msg[1:])
		case 0:
			l.serverWent()
		}
	}
}

func (l *Link) serverCame(ident []byte) {
	l.ident = slices.Clone(ident)
	l.ready = true
	l.epoch++
	if !l.pulling && !l.detach.Load() {
		l.connectPull()
	}
	l.updateState()
}

// serverWent drops what belongs to the server's life that has ended: its
// connection ids will mean other clients.
func (l *Link) serverWent() {
	l.ready = false
	for _, c := range l.conns {
		l.gone(c)
	}
	clear(l.waiting)
	l.waiting = l.waiting[:0]
	l.closed.clear()
	l.misfit = ""
	l.sender = ""
	l.connection()
}

// drainRequests takes in what the server has sent. It reports whether there
// may be more.
func (l *Link) drainRequests() bool {
	if !l.pulling || !l.ready {
		// Answers would not arrive yet.
		l.sock.settle()
		return false
	}
	for range maxBatch {
		msg, ok, err := receive(l.sock.pull)
		if err != nil {
			l.warn("receive", "cannot receive from mongrel2", "error", err)
			return false
		}
		if !ok {
			if l.detach.Load() && !l.detached {
				l.detached = true
				l.sock.detach()
				l.updateState()
				// ZeroMQ takes leave with the socket's help only: go on receiving.
				return true
			}
			return false
		}
		l.received.Add(1)
		l.message(msg)
	}
	return true
}

// message deals with one message of the server.
func (l *Link) message(msg []byte) {
	in := incomings.Get().(*Incoming)
	m := &in.m2
	if err := m.Parse(msg); err != nil {
		l.warn("parse", err.Error(), "message", excerpt(msg))
		in.drop()
		return
	}
	if string(m.Sender) != l.sender {
		l.sender = strings.Clone(text(m.Sender))
		l.checkIdent(m.Sender)
	}
	key := connKey{l.sender, m.ID}
	if l.closed.has(key) {
		// Behind a request that we refused comes what its client smuggled.
		if m.Kind == mongrel2.KindUploadDone {
			l.uploads.remove(strings.Clone(m.UploadPath), m.ContentLength)
		}
		in.drop()
		return
	}
	c := l.conns[key]
	switch m.Kind {
	case mongrel2.KindHTTP:
		l.request(key, c, in)
	case mongrel2.KindUploadStart:
		l.uploadStart(key, c, in)
	case mongrel2.KindUploadDone:
		l.uploadDone(key, c, in)
	case mongrel2.KindDisconnect:
		// It comes for each message to a dead connection, so mostly for one that
		// is not in the books.
		if c != nil {
			l.gone(c)
		}
		in.drop()
	case mongrel2.KindCredits:
		in.drop()
	case mongrel2.KindHandshake:
		l.refuse(key, c, in, 400, "this server does not support websockets")
	case mongrel2.KindForeignMethod:
		l.refuse(key, c, in, 501, "")
	default: // websocket frames, JSON, XML: there is nobody to answer
		l.refuse(key, c, in, 0, "")
	}
}

// request takes an HTTP request that is complete.
func (l *Link) request(key connKey, c *conn, in *Incoming) {
	if status, why := l.fault(in); status != 0 {
		l.refuse(key, c, in, status, why)
		return
	}
	in.fill(l.cfg.ServerName)
	l.admit(key, c, in)
}

// fault says why a request is not given out; 0: it is.
func (l *Link) fault(in *Incoming) (status int, why string) {
	m := &in.m2
	size := m.ContentLength
	if in.File != nil {
		size = in.Size
	}
	switch limit := l.maxBody.Load(); {
	case m.Fault != "":
		return 400, m.Fault
	case limit > 0 && size > limit:
		return 413, tooLarge(limit)
	}
	return 0, ""
}

// judge makes a request ready that its connection holds already.
func (l *Link) judge(in *Incoming) {
	if status, why := l.fault(in); status != 0 {
		l.reject(in, status, why)
		return
	}
	in.fill(l.cfg.ServerName)
}

// admit gives a request out, or keeps it until its connection's turn.
func (l *Link) admit(key connKey, c *conn, in *Incoming) {
	if c = l.book(key, c, in); c == nil {
		return
	}
	if c.cur == nil && len(c.held) == 0 {
		l.start(c, in)
		return
	}
	c.hold(in)
}

// book enters a request's connection into the books. Nil: it is to be closed, or sends
// too much at once, and the request is dropped.
func (l *Link) book(key connKey, c *conn, in *Incoming) *conn {
	if c == nil {
		c = l.newConn(key, in.m2.ConnID)
		if len(l.conns) == 0 {
			l.check = l.now.Add(l.cfg.KeepAlive / checkEvery)
		}
		l.conns[key] = c
	}
	switch {
	case c.close || c.reject:
		in.drop()
		return nil
	case c.cur == nil && len(c.held) == 0:
		if !c.pending() {
			c.pace.reset()
		}
		c.touch = l.now
	case len(c.held) >= maxHeld || c.heldN+len(in.m2.Body) > maxHeldBytes:
		l.warn("pipeline", "client pipelines too many requests, closing its connection", "client", string(in.m2.RemoteAddr))
		c.reject = true
		in.drop()
		return nil
	}
	return c
}

// hold keeps a request until its connection's turn.
func (c *conn) hold(in *Incoming) {
	c.held = append(c.held, in)
	c.heldN += len(in.m2.Body)
}

// refuse answers a request without its application. Status 0 closes the
// connection without a word. Where earlier requests of the connection are in
// progress the refusal waits for their answers.
func (l *Link) refuse(key connKey, c *conn, in *Incoming, status int, why string) {
	l.reject(in, status, why)
	if c == nil {
		l.sendRaw(in.m2.Sender, in.m2.ConnID, l.refusal(in, status, why))
		l.closed.add(key, l.now)
		in.Release()
		return
	}
	l.admit(key, c, in)
}

// reject notes that a request is refused.
func (l *Link) reject(in *Incoming, status int, why string) {
	in.closeFile()
	in.refusal = refused{status: status, why: why, set: true}
	if status == 0 {
		return
	}
	reason := why
	if reason == "" {
		reason = http1.StatusText(status)
	}
	l.log.Info(fmt.Sprintf("%s %s: %d: %s", plain(in.m2.Method), plain(in.m2.Path), status, reason), "client", string(in.m2.RemoteAddr))
}

func tooLarge(limit int64) string { return fmt.Sprintf(unread.TooLarge, limit) }

// refusal is a whole response that closes its connection; nothing for status 0.
func (l *Link) refusal(in *Incoming, status int, why string) []byte {
	if status == 0 {
		return nil
	}
	style := l.style.Load()
	return http1.AppendError(nil, status, why, &http1.HeadOptions{
		Proto: "HTTP/1.1",
		Head:  string(in.m2.Method) == "HEAD",
		Date:  dateLine(),
		Extra: style.Fields, Reasons: style.Reasons,
	})
}

// start gives a request out, or answers it where it is refused.
func (l *Link) start(c *conn, in *Incoming) {
	if !in.refusal.set {
		l.give(c, in)
		return
	}
	m := newMessage(c.addr)
	m.b = append(m.b, l.refusal(in, in.refusal.status, in.refusal.why)...)
	in.Release()
	c.dropHeld()
	l.put(c, m, 0, false, true)
	c.ended = true
	l.flush(c)
}

// checkIdent tells of a handler whose answers cannot arrive.
func (l *Link) checkIdent(sender []byte) {
	var reason string
	switch {
	case !mongrel2.ValidIdent(sender):
		reason = "the handler's send_ident " + quote(sender) + " has characters other than letters, digits and -: mongrel2 cannot read responses to it"
	case !bytes.HasPrefix(sender, l.ident):
		reason = "the handler's send_ident " + quote(sender) + " does not begin with its recv_ident " + quote(l.ident) + ": no response can arrive"
	}
	if reason != "" {
		l.log.Error(reason)
	}
	l.misfit = reason
	l.updateState()
}

// tombs remembers connections that we closed, long enough for requests that
// were behind the last one to arrive and be dropped.
type tombs struct {
	young, old map[connKey]struct{}
	turn       time.Time
}

const tombAge = 2 * time.Second

func (t *tombs) add(k connKey, now time.Time) {
	if t.young == nil || now.Sub(t.turn) > tombAge {
		t.old, t.young, t.turn = t.young, make(map[connKey]struct{}), now
	}
	t.young[k] = struct{}{}
}

func (t *tombs) has(k connKey) bool {
	if len(t.young) == 0 && len(t.old) == 0 {
		return false
	}
	_, ok := t.young[k]
	if !ok {
		_, ok = t.old[k]
	}
	return ok
}

func (t *tombs) clear() { t.young, t.old = nil, nil }

func excerpt(b []byte) string {
	if len(b) > 200 {
		b = b[:200]
	}
	return quote(b)
}

// plain is an excerpt without its quotes.
func plain(b []byte) string {
	q := excerpt(b)
	return q[1 : len(q)-1]
}
