package link_test

import (
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// Where the response to one request has used up the room, who makes that to the next
// one on the same connection is told to wait, too.
func TestFullForEachRequest(t *testing.T) {
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	full := make(chan *link.Reply, 100)
	ev := m.events()
	ev.Full = func(r *link.Reply) { full <- r }
	open(t, s, 0, ev, func(c *link.Config) {
		c.Store = unread.New()
		c.Store.Limit(unread.BlockSize, 0)
	})
	const request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
	dial(t, s).send(request + request)

	take := func(what string) *link.Reply {
		in := receive(t, what, m.in)
		defer in.Release()
		return in.Reply
	}
	first := take("the first request")
	first.Head(head("200 OK", -1), nil, false)
	// The more went out before, the longer a piece waits for others: only the end of a
	// response that has had nearly all of mongrel2's sixteen places waits, too.
	size := 1 << 20
	for told := 0; told < 6; {
		first.Data(make([]byte, size), false)
		select {
		case <-full:
			told++
			size = unread.BlockSize
		case <-time.After(20 * time.Millisecond):
		}
	}
	first.Data([]byte("end"), true)

	second := take("the second request")
	second.Head(head("200 OK", -1), nil, false)
	// The first of these may take with it what waited; then there is no room for the
	// second.
	for range 2 {
		second.Data(make([]byte, 2*unread.BlockSize), false)
	}
	for told := receive(t, "the word to wait", full); told != second; told = receive(t, "the word to wait", full) {
		if told != first { // to whom it was said late
			t.Fatal("another one is told")
		}
	}
	second.Data(nil, true)
}
