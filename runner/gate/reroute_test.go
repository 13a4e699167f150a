package gate

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// TestWhoWaitsForAnAppFollowsItsName: while clients wait for an app that nobody has any more, its
// names are given to another one, or to none.
func TestWhoWaitsForAnAppFollowsItsName(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]int{"b": 200, "": 421} {
		t.Run("to "+to, func(t *testing.T) {
			t.Parallel()
			g := startGate(t, names(map[string]string{"a.test": "a", "stays.test": "b"}, ""))
			g.app("b")
			c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", g.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			await.TrueIn(t, patience, "the client to wait", func() bool { return g.counts().Waiting == 1 }, func() any { return g.counts() })
			g.lead.Call(func() { g.s.Configure(names(map[string]string{"a.test": to, "stays.test": "b"}, "")) })
			_ = c.SetDeadline(time.Now().Add(patience))
			if status, text := answer(t, c); status != want || status == 200 && text != "b " {
				t.Errorf("%d %q, want %d", status, text, want)
			}
			if n := g.counts(); n.Waiting != 0 || n.Refused[refusedAbsent] != 0 {
				t.Errorf("%+v", n)
			}
		})
	}
}
