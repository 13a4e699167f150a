package pool

// Upload is a body that goes to the worker as it arrives, by a pipe. Its methods are
// called on the loop.
type Upload interface {
	// Fd is the end of the pipe that the worker reads. It stays open until Close.
	Fd() int
	// Wanted tells that the application has begun to read.
	Wanted()
	// Close ends what Fd is; the exchange needs it no more.
	Close()
}

// alone tells that the request goes to a worker only that has no other.
func (x *Exchange) alone() bool { return x.Body != nil || x.Upload != nil }

// ClientOwes tells whether a worker waits for its client to send more of the body, or
// not any more. Its time stands still meanwhile, and begins anew.
func (x *Exchange) ClientOwes(owes bool) {
	s := x.slot
	if s == nil || s.held[0] != x || x.health || x.Sink == nil {
		return
	}
	p := s.w.pool
	t := int64(p.spec.Workers.RequestTimeout)
	switch {
	case t <= 0:
	case owes:
		x.deadline, s.rest = 0, 0
	case s.paused:
		s.rest = t
	default:
		x.deadline = p.loop.Now() + t
		p.loop.SetBy(&p.sweep, x.deadline)
	}
}

// BodyComplete tells the worker that the body it reads ends where the pipe does.
func (x *Exchange) BodyComplete() {
	if s := x.slot; s != nil && s.held[0] == x {
		s.w.setAbort(s, ^x.seq)
	}
}

// RefuseBody answers a request whose body will not be all there. Its worker is told.
func (p *Pool) RefuseBody(x *Exchange, status int, reason string) {
	if s := x.slot; s == nil {
		p.queue.remove(x)
	} else if s.held[0] == x {
		s.w.setAbort(s, x.seq)
	}
	p.fail(x, status, reason)
}
