package link

import (
	"fmt"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// side is one of the two connections to the server, as ZeroMQ's monitor tells
// of it. It is for saying why a link is not ready, and for noticing a server
// that stands still (see Link.unblock).
type side struct {
	name     string // what Config calls it
	means    string // what mongrel2 calls it
	endpoint string
	events   *zmq.Socket
	fd       int
	up       bool
	since    time.Time // of up
	fault    string    // why not
	rejected time.Time // ZeroMQ has given up since; zero: it has not
}

const sideEvents = zmq.EVENT_CONNECT_RETRIED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED |
	zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL |
	zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_MONITOR_STOPPED

// watch begins to listen to the events of a socket.
func (s *side) watch(ctx *zmq.Context, z *zmq.Socket) (err error) {
	addr := "inproc://" + s.name
	if err := z.Monitor(addr, sideEvents); err != nil {
		return fmt.Errorf("cannot watch ZeroMQ connection: %w", err)
	}
	if s.events, err = ctx.NewSocket(zmq.PAIR); err != nil {
		return fmt.Errorf("cannot watch ZeroMQ connection: %w", err)
	}
	if err := s.events.SetLinger(0); err != nil {
		return fmt.Errorf("cannot watch ZeroMQ connection: %w", err)
	}
	if err := s.events.Connect(addr); err != nil {
		return fmt.Errorf("cannot watch ZeroMQ connection: %w", err)
	}
	if s.fd, err = s.events.GetFd(); err != nil {
		return fmt.Errorf("cannot watch ZeroMQ connection: %w", err)
	}
	s.fault = s.nobody()
	return nil
}

// stranger is said of a ZeroMQ socket of another kind and of what is none: which
// of them it is shows only by who hangs up first.
func (s *side) stranger() string {
	return fmt.Sprintf("what answers at %s (%s) is not a mongrel2 handler's %s: are recv and send swapped?", s.endpoint, s.name, s.means)
}

func (s *side) nobody() string {
	return fmt.Sprintf("nothing answers at %s (%s, the handler's %s)", s.endpoint, s.name, s.means)
}

// drain takes the events that have come.
func (s *side) drain(now time.Time) {
	for {
		event, _, _, err := s.events.RecvEvent(zmq.DONTWAIT)
		if err != nil {
			return
		}
		switch event { //nolint:exhaustive // the others change nothing
		case zmq.EVENT_HANDSHAKE_SUCCEEDED:
			s.up, s.since, s.fault = true, now, ""
		case zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_AUTH:
			s.up = false
			s.fault = s.stranger()
		case zmq.EVENT_DISCONNECTED:
			if s.up || s.fault != s.stranger() {
				s.fault = s.nobody()
			}
			if !s.up {
				// The other end hung up in the handshake. Where it is a socket of
				// another kind, ZeroMQ gives up: no retry follows.
				s.rejected = now
			}
			s.up = false
		case zmq.EVENT_CONNECT_RETRIED:
			s.rejected = time.Time{}
		case zmq.EVENT_CLOSED:
			s.fault = s.nobody()
		}
	}
}

// awaitEnd waits until a socket that was closed has sent everything and is gone,
// for at most d.
func (s *side) awaitEnd(d time.Duration) {
	if s.events == nil {
		return
	}
	end := time.Now().Add(d)
	for {
		if err := s.events.SetRcvtimeo(max(time.Until(end), 0)); err != nil {
			return
		}
		if event, _, _, err := s.events.RecvEvent(0); err != nil || event == zmq.EVENT_MONITOR_STOPPED {
			return
		}
	}
}

// redialAfter is how long after a handshake that ZeroMQ gave up on it is tried
// anew.
const redialAfter = time.Second

// redial makes ZeroMQ try again where it has given up: the server may have been
// set right.
func (s *side) redial(now time.Time, z *zmq.Socket) {
	if s.rejected.IsZero() {
		return
	}
	if now.Sub(s.rejected) > redialAfter/4 {
		s.fault = s.stranger()
	}
	if now.Sub(s.rejected) < redialAfter {
		return
	}
	s.rejected = time.Time{}
	// An endpoint that is not connected any more is no fault here.
	_ = z.Disconnect(s.endpoint)
	_ = z.Connect(s.endpoint)
}

// connection hears how the two connections are, while the link is not ready.
func (l *Link) connection() {
	l.sock.pubSide.drain(l.now)
	l.sock.pullSide.drain(l.now)
	l.sock.pubSide.redial(l.now, l.sock.pub)
	if l.pulling && !l.detached {
		l.sock.pullSide.redial(l.now, l.sock.pull)
	}
	l.unblock()
	l.updateState()
}

// stallAfter is how long a connected server may take to subscribe before it is
// taken for blocked.
const stallAfter = 300 * time.Millisecond

// unblock connects the requests' socket before the server has subscribed. It
// is needed where the server stands still because it wants to tell a handler
// of a dead connection and there is none: then it does not subscribe either.
// Nothing is received until it has.
func (l *Link) unblock() {
	if l.ready || l.pulling || l.detach.Load() || !l.sock.pubSide.up || l.now.Sub(l.sock.pubSide.since) < stallAfter {
		return
	}
	l.connectPull()
}

func (l *Link) connectPull() {
	if err := l.sock.connectPull(); err != nil {
		l.warn("connect", err.Error())
		return
	}
	l.pulling = true
}

// updateState tells how the link is, by what is known of the connections.
func (l *Link) updateState() {
	phase, reason := PhaseReady, l.misfit
	switch {
	case l.detached || l.detach.Load() && !l.pulling:
		phase = PhaseDetached
	case l.ready && l.sock.pullSide.up:
	default:
		phase = PhaseConnecting
		if l.wasReady {
			phase = PhaseLost
		}
		switch {
		case l.ready:
			reason = l.sock.pullSide.fault
		case l.sock.pubSide.up:
			reason = fmt.Sprintf("mongrel2 at %s (send) has not subscribed yet", l.cfg.Send)
		default:
			reason = l.sock.pubSide.fault
		}
	}
	l.wasReady = l.wasReady || phase == PhaseReady
	l.sock.watchSides(phase != PhaseReady)
	l.setState(phase, reason)
}
