package console

import (
	"fmt"
	"net/http"
	"time"
)

// heartbeat shows both sides that the other one is there.
const heartbeat = 15 * time.Second

// streamWrite is how long a browser may take to read a message; a slow one is left.
const streamWrite = 10 * time.Second

// stream tells that something is new: one event a second at most, with the version of
// the fleet's picture, and the same again where nothing is for long. What is new is asked
// for by those who show it.
func (c *Console) stream(w http.ResponseWriter, r *http.Request) {
	ch, done := c.hub.subscribe()
	if ch == nil {
		w.Header().Set("Retry-After", "10")
		refuse(w, http.StatusServiceUnavailable, "Too many browsers are already following.")
		return
	}
	defer done()
	s := by(r)
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	send := func(format string, args ...any) bool {
		_ = rc.SetWriteDeadline(time.Now().Add(streamWrite))
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return false
		}
		return rc.Flush() == nil
	}
	if !send("retry: 2000\n\n") {
		return
	}
	tick := func(v uint64) bool { return send("event: tick\nid: %d\ndata: {\"v\":%d}\n\n", v, v) }
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var last uint64
	for {
		select {
		case <-r.Context().Done():
			return
		case last = <-ch:
			if !tick(last) {
				return
			}
		case now := <-beat.C:
			// A session that was ended, or is over, hears no more.
			if c.session(r) == nil || now.After(s.Expires) || !tick(last) {
				return
			}
		}
	}
}
