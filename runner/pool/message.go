package pool

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// onMessage handles one message of a worker.
func (p *Pool) onMessage(s *Slot, msg []byte, passed int) {
	w := s.w
	typ, flags, seq, payload, err := wsgi.ParseMessage(msg)
	if err != nil {
		closePassed(passed)
		p.workerBroke(w, "malformed message: "+err.Error())
		return
	}
	if w.template != nil && typ != wsgi.MsgFailed {
		closePassed(passed)
		if !w.template.onMessage(typ, payload) {
			p.workerBroke(w, "it sent a message that only a worker may send")
		}
		return
	}
	switch typ {
	case wsgi.MsgReady:
		closePassed(passed)
		p.workerReady(w, payload)
		return
	case wsgi.MsgFailed:
		closePassed(passed)
		p.workerFailed(w, payload)
		return
	case wsgi.MsgNudge: // it wakes us, and says nothing
		closePassed(passed)
		return
	case wsgi.MsgWanted: // maybe after the answer: then nobody waits for it
		closePassed(passed)
		if s.n > 0 && s.held[0].seq == seq && s.held[0].Upload != nil && s.held[0].Sink != nil {
			s.held[0].Upload.Wanted()
		}
		return
	}
	if s.n > 0 && s.held[0].seq != seq {
		s.drainRing() // what is there came before this
	}
	if s.n == 0 || s.held[0].seq != seq {
		closePassed(passed)
		p.workerBroke(w, fmt.Sprintf("it answered request %d, which was not assigned to it", seq))
		return
	}
	x := s.held[0]
	if typ != wsgi.MsgFile {
		closePassed(passed)
	}
	end, fault := p.answer(x, typ, flags&wsgi.FlagEnd != 0, payload, passed)
	switch {
	case fault != "":
		p.workerBroke(w, fault)
	case end:
		p.finished(s)
	case x.deadline > 0:
		// A piece has come: the time runs to the next one. The sweep finds it in its
		// own time.
		x.deadline = p.loop.Now() + int64(p.spec.Workers.RequestTimeout)
	}
}

// answer takes in a piece of a response, which the worker may call the last one. end tells
// that nothing follows; fault, what no worker may send.
func (p *Pool) answer(x *Exchange, typ byte, last bool, payload []byte, passed int) (end bool, fault string) {
	switch typ {
	case wsgi.MsgHead:
		return last, p.head(x, payload, last)
	case wsgi.MsgData:
		if !x.headSent {
			return last, "it sent a response body before the head"
		}
		x.sent += int64(len(payload))
		if sink := x.sinkFor(last); sink != nil {
			sink.Data(payload, last)
		}
		return last, ""
	case wsgi.MsgFile:
		return last, p.file(x, payload, passed, last)
	case wsgi.MsgEnd:
		if sink := x.sinkFor(true); sink != nil {
			if !x.headSent {
				x.status = 500
				p.stats.errors++
				sink.Fail(500, "the application sent no response")
			} else {
				sink.Data(nil, true)
			}
		}
		return true, ""
	case wsgi.MsgAbort:
		p.stats.errors++
		if x.status == 0 {
			x.status = 500
		}
		if sink := x.sinkFor(true); sink != nil {
			sink.Fail(500, "the application failed after its response had started")
		}
		return true, ""
	}
	return false, fmt.Sprintf("it sent a message of unknown type %q", typ)
}

// head takes in the head of a response, with what of its body came along.
func (p *Pool) head(x *Exchange, payload []byte, last bool) (fault string) {
	var h wsgi.ResponseHead
	body, err := wsgi.ParseHead(payload, &h)
	if err != nil || x.headSent {
		return fmt.Sprintf("it sent an invalid response head: %v", err)
	}
	x.headSent = true
	if x.endedAt == 0 {
		x.status, x.sent = h.Status, int64(len(body))
	}
	if h.ContentLength >= 0 {
		x.Access.Limit(h.ContentLength)
	}
	if h.Status >= 500 && !x.health {
		p.stats.errors++
	}
	if sink := x.sinkFor(last); sink != nil {
		sink.Head(&h, body, last)
	}
	return ""
}

// file takes in a part of the body that is in a file, whose descriptor came along.
func (p *Pool) file(x *Exchange, payload []byte, passed int, last bool) (fault string) {
	off, n, err := wsgi.ParseFile(payload)
	if passed < 0 && err == nil && x.headSent && p.noDescriptors() {
		// The worker did send one: the kernel had none to give us.
		if sink := x.sinkFor(true); sink != nil {
			p.log.Error(fmt.Sprintf("%s: the response is aborted: no descriptor is left for a file that it sends; raise the limit of open files of the service (LimitNOFILE=)", x.Label))
			sink.Fail(503, "the server has no descriptors left")
		}
		return ""
	}
	if err != nil || !x.headSent || !isRegular(passed) {
		closePassed(passed)
		return "it sent an invalid file message"
	}
	x.sent += n
	f := newFile(passed)
	if sink := x.sinkFor(last); sink != nil {
		sink.File(f, off, n, last)
	} else {
		_ = f.Close()
	}
	return ""
}

// noDescriptors tells that the kernel gives us no more.
func (p *Pool) noDescriptors() bool {
	fd, err := unix.FcntlInt(uintptr(p.loop.Descriptor()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return evloop.IsExhausted(err)
	}
	_ = unix.Close(fd)
	return false
}

// finished ends the request at the head of a slot and gives the slot its next.
func (p *Pool) finished(s *Slot) {
	if s.n > 1 {
		p.prefetched--
	}
	x := s.pop(p.loop.Now())
	w := s.w
	if !x.health {
		w.served++
		w.sent += uint64(x.sent)
		w.worked += p.loop.Now() - x.begunAt
		if x.status >= 500 {
			w.errors++
		}
		took := p.loop.Now() - x.begunAt
		p.scaler.served(took)
		if p.reserve() > 0 {
			p.foresight.note(x.Label, took)
		}
	}
	w.idleSince = p.loop.Now()
	p.account(x)
	p.Release(x)
	if w.limit > 0 && w.served >= w.limit && w.life.now == phaseServing {
		p.stats.restarts[restartRequests]++
		p.recycle(w, fmt.Sprintf("it has served %d requests (workers.max_requests)", w.served))
	}
	p.feed(s)
	if p.stopping {
		p.drainAll()
	}
}

// account counts an ended request.
func (p *Pool) account(x *Exchange) {
	if x.health {
		return
	}
	p.stats.active--
	end := p.loop.Now()
	if x.endedAt > 0 {
		end = x.endedAt
	}
	p.answered(x, end-x.queuedAt)
}
