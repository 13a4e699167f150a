package pool

// Upload is a body that goes to the worker by pipes: by one as it arrives, or by several
// that have all of it. Its methods are called on the loop.
type Upload interface {
	// Ends are those of the pipes that the worker reads. They stay open until Close.
	Ends() []int
	// Wanted tells that the application has begun to read.
	Wanted()
	// Close ends what Ends are; the exchange needs it no more.
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
