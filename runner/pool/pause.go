package pool

import "golang.org/x/sys/unix"

// pause stops listening to the worker, whose client does not keep up. The time
// of the request at work stands still: the worker may long have written what we
// do not read. It returns the slot; nil: there is nothing to pause.
func (s *Slot) pause() *Slot {
	if s == nil || s.n == 0 || s.paused || !s.w.pool.loop.Owns(s.fd, s) {
		return nil
	}
	s.paused = true
	s.rest = 0
	if x := s.held[0]; x.deadline > 0 {
		s.rest = max(x.deadline-s.w.pool.loop.Now(), 1)
		x.deadline = 0
	}
	s.w.pool.loop.Modify(s.fd, 0)
	return s
}

// Resume listens again.
func (s *Slot) Resume() {
	if s == nil || !s.paused {
		return
	}
	s.paused = false
	p := s.w.pool
	p.awaken(s)
	if s.n > 0 && s.rest > 0 {
		s.held[0].deadline = p.loop.Now() + s.rest
		p.loop.SetBy(&p.sweep, s.held[0].deadline)
	}
	if p.loop.Owns(s.fd, s) {
		p.loop.Modify(s.fd, unix.EPOLLIN)
	}
}
