package gate

import (
	"encoding/binary"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// Link is one connection between a gate and a master, over which each passes client
// connections to the other. Who passes one keeps a descriptor of it until the other
// says that it has come, and the other says so before it does anything with it: a
// connection whose taking was not heard of was not served, and may be passed again.
// A Link belongs to the loop.
type Link struct {
	Loop *evloop.Loop
	// Taken is told of a connection that has come; the bytes are good during the call.
	Taken func(fd int, p *Passed)
	// Arrived is told of a connection that was passed and is the other's now, by what
	// Pass was given for it, in the order of Pass.
	Arrived func(what any)
	// Writable is told once Pass may be tried again.
	Writable func()
	// Over is told when the link has ended, with those that have not arrived.
	Over func(left []any)

	Room *Room

	fd      int
	last    uint64 // number of the connection that was passed last
	sent    []any  // have not arrived, the oldest first
	waiting bool   // for room to write
	closed  bool
	ending  bool // nothing is passed any more
	reset   bool // the other side has closed it and left something unread: what it said before comes after that
	came    []arrival
}

type arrival struct {
	fd int
	p  Passed
}

// Room is what the links of one loop share: where messages are read and put together.
type Room struct {
	receiver *evloop.Receiver
	buffer   []byte
	rest     []byte
}

// Open begins to use a SOCK_SEQPACKET socket, which is the link's from here on.
func (l *Link) Open(fd int) error {
	if l.Room.receiver == nil {
		l.Room.receiver = evloop.NewReceiver(maxMessage)
	}
	l.fd = fd
	if err := l.Loop.Add(fd, unix.EPOLLIN, l); err != nil {
		_ = unix.Close(fd)
		l.closed = true
		return err
	}
	return nil
}

// Sent is how many connections have been passed and have not arrived.
func (l *Link) Sent() int { return len(l.sent) }

// IsOpen tells whether connections can be passed.
func (l *Link) IsOpen() bool { return !l.closed }

// Pass passes a connection. unix.EAGAIN tells that Writable comes; any other error is
// of this attempt, or of the link, which then says that it is over. fd stays the
// caller's.
func (l *Link) Pass(fd int, p *Passed, what any) error {
	if l.closed {
		return unix.EPIPE
	}
	if l.waiting || l.ending {
		return unix.EAGAIN
	}
	if len(p.Bytes) > MaxBytes || len(p.Host)+len(p.Listen) > 16<<10 {
		return unix.EMSGSIZE
	}
	l.Room.buffer = p.append(l.Room.buffer[:0], l.last+1)
	err := l.send(l.Room.buffer, unix.UnixRights(fd))
	switch {
	case err == nil:
		l.last++
		l.sent = append(l.sent, what)
	case errors.Is(err, unix.EAGAIN):
		l.waiting = true
		l.Loop.Modify(l.fd, unix.EPOLLIN|unix.EPOLLOUT)
	}
	if cap(l.Room.buffer) > 64<<10 {
		l.Room.buffer = nil
	}
	return err
}

func (l *Link) send(b, rights []byte) error {
	for {
		err := unix.Sendmsg(l.fd, b, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// atOnce is how many messages are read before others have their turn.
const atOnce = 64

// OnEvents implements evloop.Pollable.
func (l *Link) OnEvents(events uint32) {
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		l.receive(atOnce)
	}
	if l.closed || events&unix.EPOLLOUT == 0 || !l.waiting {
		return
	}
	l.waiting = false
	l.Loop.Modify(l.fd, unix.EPOLLIN)
	l.Writable()
}

// receive reads at most n messages; it tells whether there may be more.
func (l *Link) receive(n int) bool {
	l.came = l.came[:0]
	var last uint64
	over, more := false, true
	for i := 0; i < n && !l.closed; i++ {
		msg, fd, errno := l.Room.receiver.Recv(l.fd)
		if errno == unix.EINTR {
			continue
		}
		if errno == unix.ECONNRESET && !l.reset {
			l.reset, l.ending = true, true
			continue
		}
		if errno != 0 {
			over, more = errno != unix.EAGAIN, false
			break
		}
		if len(msg) == 0 {
			if fd >= 0 {
				_ = unix.Close(fd)
			}
			over, more = true, false
			break
		}
		p, id, ok := parsePassed(msg)
		switch {
		case ok && fd >= 0:
			p.Host, p.Bytes = slices.Clone(p.Host), slices.Clone(p.Bytes)
			l.came = append(l.came, arrival{fd, p})
			last = id
			continue
		case fd >= 0:
			_ = unix.Close(fd)
		case msg[0] == kindTaken && len(msg) == 9:
			l.arrived(binary.LittleEndian.Uint64(msg[1:]))
			continue
		}
		// A connection whose descriptor did not come (we have none left), or what no
		// version says: the other side passes it again.
		over, more = true, false
		break
	}
	came := l.came
	l.came = nil // Taken may lead back here
	if len(came) > 0 && !l.closed {
		var b [9]byte
		b[0] = kindTaken
		binary.LittleEndian.PutUint64(b[1:], last)
		if l.send(b[:], nil) != nil {
			// It has not heard that they came, and passes them again.
			for _, a := range came {
				_ = unix.Close(a.fd)
			}
			came, over = nil, true
		}
	} else if l.closed {
		for _, a := range came {
			_ = unix.Close(a.fd)
		}
		came = nil
	}
	for i := range came {
		if l.claim(came[i].fd, &came[i].p) {
			l.Taken(came[i].fd, &came[i].p)
		} else {
			_ = unix.Close(came[i].fd)
		}
		came[i] = arrival{}
	}
	if !l.closed {
		l.came = came[:0]
	}
	if over {
		l.Close()
	}
	return more && !l.closed
}

// arrived takes those up to a number off the list.
func (l *Link) arrived(id uint64) {
	first := l.last - uint64(len(l.sent)) + 1
	if id < first || id > l.last {
		return
	}
	n := int(id - first + 1)
	there := slices.Clone(l.sent[:n])
	l.sent = slices.Delete(l.sent, 0, n)
	for _, what := range there {
		l.Arrived(what)
	}
}

// Finish takes what has come already and closes the link.
func (l *Link) Finish() {
	l.ending = true
	for !l.closed && l.receive(atOnce) {
	}
	l.Close()
}

// Close ends the link: what comes from now on, the other side has to pass elsewhere.
func (l *Link) Close() {
	if l.closed {
		return
	}
	l.closed = true
	l.Loop.Remove(l.fd)
	_ = unix.Close(l.fd)
	left := l.sent
	l.sent = nil
	l.Over(left)
}
