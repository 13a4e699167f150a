package runner

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// A master without workers says when it could go, but not while somebody is
// connected.
func TestRest(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max = 0, 1
		s.Workers.IdleTimeout = appspec.Duration(100 * time.Millisecond)
	})
	h := a.start(StateIdle)
	// A connection changes no version: the state is asked for again and again.
	rests := func(want bool) {
		t.Helper()
		eventually(t, fmt.Sprintf("resting to be %v", want), func() bool {
			st, err := h.Status(a.ctx(), 0)
			return err == nil && st.Suspended == want
		})
	}
	a.wait(h, func(st Status) bool { return st.Suspended })
	c := a.dial()
	rests(false)
	c.Close()
	rests(true)
	if code, _ := a.get("/"); code != 200 {
		t.Fatalf("after a rest: %d", code)
	}
	rests(false)
	http.DefaultClient.CloseIdleConnections()
	a.wait(h, func(st Status) bool { return st.Suspended && st.State == StateIdle })
}
