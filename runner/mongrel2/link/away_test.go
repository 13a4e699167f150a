package link_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
)

// While its server is away a link rests: it is woken by what ZeroMQ tries, some times a second,
// and takes from each of its sockets what came, wherever it cannot answer.
func TestLinkRestsWhileItsServerIsAway(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	l, err := link.New(link.Config{Recv: s.Handlers[0].Recv, Send: s.Handlers[0].Send}, link.Events{Request: echo})
	if err != nil {
		t.Fatal(err)
	}
	var turns atomic.Int64
	ended := drive(l, func() { turns.Add(1) })
	for range 3 {
		await.True(t, "the link", func() bool { return l.State().Phase == link.PhaseReady })
		if status, _ := dial(t, s).send("GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").get("GET"); status != 200 {
			t.Fatalf("status %d", status)
		}
		s.Stop()
		await.True(t, "the loss", func() bool { return l.State().Phase == link.PhaseLost })
		before := turns.Load()
		time.Sleep(time.Second) // for so long it is watched
		if n := turns.Load() - before; n > 200 {
			t.Errorf("%d turns in a second without a server", n)
		}
		s.Restart()
	}
	l.Shutdown()
	receive(t, "end", l.Done())
	receive(t, "end of the loop", ended)
}
