package runner

import (
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// exchange is one request on its way through the pool, from submit until its
// sink has seen the end. It belongs to the loop.
type exchange struct {
	seq   uint32
	msg   []byte       // the whole message to the worker; kept until the end, so that it can be sent again
	body  *unread.Body // the body where it is not in msg; ours to close
	label []byte       // "GET /path" for log lines

	sink wsgi.Sink // nil: the client is gone, what still comes is dropped
	slot *slot     // nil while queued

	queuedAt int64
	sentAt   int64 // given to a slot
	begunAt  int64 // first in its slot: the worker is at it
	headSent bool  // the sink saw Head
	deadline int64 // of the answer, once begun; 0: none
	health   bool  // a health check of ours: not counted

	status  int   // of the answer; 0: none yet
	sent    int64 // bytes of its body
	worker  int   // pid of the one that had it last
	endedAt int64 // answered before the worker gave it back; 0: not
	access  applog.Note
}

// reset makes an exchange ready for reuse.
func (x *exchange) reset() {
	if x.body != nil {
		_ = x.body.Close()
	}
	x.access.Reset()
	msg, label, access := x.msg[:0], x.label[:0], x.access
	if cap(msg) > 16<<10 {
		msg = nil
	}
	*x = exchange{msg: msg, label: label, access: access}
}
