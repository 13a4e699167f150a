package link

import (
	"os"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// While a disk does not take what a client has not read, its response's maker waits, and
// the client is not hurried: mongrel2 would cut it off. When the disk answers, the maker
// goes on, and nothing was sent for that.
func TestDiskThatStallsHurriesNobody(t *testing.T) {
	answers := make(chan struct{})
	store := unread.New()
	open := store.Open
	store.Open = func() (*os.File, error) {
		<-answers
		return open()
	}
	store.Limit(unread.BlockSize, 64<<20)
	told, room := make(chan *Reply, 10), make(chan *Reply, 10)
	l := &Link{store: store, now: time.Now(), asleep: false,
		events: Events{Full: func(r *Reply) { told <- r }, Room: func(r *Reply) { room <- r }}}
	c := &conn{rest: -1}
	c.kept.Store = store
	r := &Reply{link: l, conn: c}
	c.cur = r
	c.pace.level, c.pace.last = maxLevel, l.now
	for !c.full {
		c.out = newMessage(c.addr)
		c.out.b = append(c.out.b, make([]byte, 100_000)...)
		l.keep(c)
	}
	if len(told) != 1 || <-told != r {
		t.Fatal("its maker is not told to wait")
	}
	if l.now = l.now.Add(time.Second); l.hurried(c) || l.due(c) {
		t.Error("its client is hurried because of the disk")
	}
	if other := new(conn); l.hurried(other) {
		t.Error("another one is hurried because of the disk")
	}
	if l.now = l.now.Add(unread.HeldWindow); !l.hurried(c) {
		t.Error("a disk that never answers holds the worker for ever")
	}
	kept := c.keptN
	close(answers)
	await.True(t, "its maker to go on, as the disk answers", func() bool {
		l.mu.Lock()
		ops := l.outbox
		l.outbox = nil
		l.mu.Unlock()
		for _, o := range ops {
			l.apply(o)
		}
		return len(room) > 0
	})
	if <-room != r || c.full || c.keptN != kept || l.hurried(c) {
		t.Errorf("full %v, %d bytes kept of %d", c.full, c.keptN, kept)
	}
	c.abandon()
}
