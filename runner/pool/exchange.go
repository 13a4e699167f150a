package pool

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Exchange is one request on its way through the pool, from Submit until its
// sink has seen the end. It belongs to the loop.
type Exchange struct {
	seq    uint32
	Msg    []byte       // the whole message to the worker; kept until the end, so that it can be sent again
	Body   *unread.Body // the body where it is not in Msg; ours to close
	Upload Upload       // the body where it comes as it arrives; nil: all of it is there
	Label  []byte       // "GET /path" for log lines

	Sink wsgi.Sink // nil: the client is gone, what still comes is dropped
	slot *Slot     // nil while queued

	queuedAt int64
	sentAt   int64         // given to a slot
	begunAt  int64         // first in its slot: the worker is at it
	headSent bool          // the sink saw Head
	deadline int64         // of the answer, once begun; 0: none
	health   bool          // a health check of ours: not counted
	slow     time.Duration // what it is thought to take, where that is long; 0: it is not

	status  int   // of the answer; 0: none yet
	sent    int64 // bytes of its body
	worker  int   // pid of the one that had it last
	endedAt int64 // answered before the worker gave it back; 0: not
	Access  applog.Note
}

// sinkFor is where a piece of the response goes; nil: nobody waits for it any more. After
// the last one nothing goes there.
func (x *Exchange) sinkFor(last bool) wsgi.Sink {
	sink := x.Sink
	if last {
		x.Sink = nil
	}
	return sink
}

// reset makes an exchange ready for reuse.
func (x *Exchange) reset() {
	if x.Body != nil {
		_ = x.Body.Close()
	}
	if x.Upload != nil {
		x.Upload.Close()
	}
	x.Access.Reset()
	msg, label, access := x.Msg[:0], x.Label[:0], x.Access
	if cap(msg) > 16<<10 {
		msg = nil
	}
	*x = Exchange{Msg: msg, Label: label, Access: access}
}

// HasHead tells whether the sink has seen the head of the response.
func (x *Exchange) HasHead() bool { return x.headSent }

// Pause has the worker wait until the slot that is returned is resumed; nil: there is
// none at it.
func (x *Exchange) Pause() *Slot { return x.slot.pause() }
