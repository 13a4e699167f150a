package bridge

import (
	"errors"
	"fmt"
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// readBody reads the body behind a head of n bytes, and returns the length of
// both in c.in.
func (c *conn1) readBody(n int, b *body) (used int, ok bool) {
	r := &c.req
	c.limits = c.s.Limits()
	b.patience = c.limits.BodyTimeout
	if r.ContentLength > c.limits.MaxBody {
		return 0, c.tooLarge()
	}
	if r.Expect100 && len(c.in) == n {
		deadline(c.c.SetWriteDeadline, c.limits.BodyTimeout)
		if _, err := c.c.Write([]byte(http1.Continue)); err != nil {
			return 0, false
		}
	}
	left := r.ContentLength
	chunked := r.Chunked
	var chunks http1.ChunkedReader
	for {
		for rest := c.in[n:]; len(rest) > 0 && left != 0; rest = c.in[n:] {
			var data []byte
			var k int
			var done bool
			if chunked {
				var err error
				if data, k, done, err = chunks.Decode(rest); err != nil {
					c.refuseError(err)
					return 0, false
				}
				if b.size+int64(len(data)) > c.limits.MaxBody {
					return 0, c.tooLarge()
				}
			} else {
				data = rest[:min(int64(len(rest)), left)]
				k = len(data)
				left -= int64(k)
			}
			if err := b.add(data); err != nil {
				return 0, c.cannotKeep(err)
			}
			// Used bytes go, the head stays where the request points to.
			c.in = append(c.in[:n], c.in[n+k:]...)
			if done {
				left = 0
			}
		}
		if left == 0 {
			if err := b.finish(); err != nil {
				return 0, c.cannotKeep(err)
			}
			return n, true
		}
		deadline(c.c.SetReadDeadline, c.limits.BodyTimeout)
		if err := c.fill(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.refuse(408, fmt.Sprintf(unread.NoBody, c.limits.BodyTimeout), "request.body_timeout")
			}
			return 0, false
		}
	}
}

func (c *conn1) cannotKeep(err error) bool {
	status := unread.Status(err)
	c.s.log(fmt.Sprintf("%s: %s: %d: %v", from(c.peer.RemoteAddr), http1.Excerpt(c.in), status, err))
	return c.answer(status, unread.NotStored)
}
