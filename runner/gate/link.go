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

	together bool // the other side takes several in one message
	came     []arrival
	newest   uint64 // number of the last one of came
}

type arrival struct {
	fd int
	p  Passed
}

// Room is what the links of one loop share: where messages are read and put together.
type Room struct {
	receiver *evloop.Receiver
	buffer   []byte
	rest     []byte // see scratch
	begin    []byte // what a connection begins with that came unread
	listen   string // the listener of the connection that came last
}

// maxNames is how long the host of a connection and its listener's name may be together.
const maxNames = 16 << 10

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
	if len(p.Bytes) > MaxBytes || len(p.Host)+len(p.Listen) > maxNames {
		return unix.EMSGSIZE
	}
	l.Room.buffer = p.append(l.Room.buffer[:0], l.last+1)
	rights := [1]int{fd}
	err := l.send(l.Room.buffer, rights[:])
	if err == nil {
		l.last++
		l.sent = append(l.sent, what)
	}
	l.await(err)
	if cap(l.Room.buffer) > 64<<10 {
		l.Room.buffer = nil
	}
	return err
}

// await has Writable told where nothing could be sent for want of room.
func (l *Link) await(err error) {
	if errors.Is(err, unix.EAGAIN) {
		l.waiting = true
		l.Loop.Modify(l.fd, unix.EPOLLIN|unix.EPOLLOUT)
	}
}

func (l *Link) send(b []byte, rights []int) error {
	for {
		switch errno := evloop.SendRights(l.fd, b, rights); errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

// taken says that all up to a number have come.
func (l *Link) taken(id uint64) error {
	var b [9]byte
	b[0] = kindTaken
	binary.LittleEndian.PutUint64(b[1:], id)
	return l.send(b[:], nil)
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
	over, more := false, true
	for i := 0; i < n && !l.closed; i++ {
		msg, fds, errno := l.Room.receiver.RecvAll(l.fd)
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
		batch, before := len(msg) > 0 && msg[0] == kindBatch, len(l.came)
		if !l.understand(msg, fds) {
			over, more = true, false
			break
		}
		if got := len(l.came) - before; batch && got < MostTogether || got == 0 && len(l.sent) == 0 {
			break // most likely that is all there is: the loop would tell of more
		}
	}
	came := l.came
	l.came = nil // Taken may lead back here
	if len(came) > 0 && !l.closed {
		if l.taken(l.newest) != nil {
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
		l.serve(came[i].fd, &came[i].p)
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

// understand does what a message says; connections that it brings are added to those that
// have come. False: what it says no version does, or a connection that it speaks of came
// without its descriptor (we have none left): the other side passes it again.
func (l *Link) understand(msg []byte, fds []int) bool {
	defer func() { evloop.CloseAll(fds) }() // that nothing was said of
	switch {
	case len(msg) == 0: // the other side has ended it
		return false
	case msg[0] == kindTaken && len(msg) == 9 && len(fds) == 0:
		if id := binary.LittleEndian.Uint64(msg[1:]); id == takesBatches {
			l.together = true
		} else {
			l.arrived(id)
		}
		return true
	case msg[0] == kindBatch && len(msg) > 9:
		id := binary.LittleEndian.Uint64(msg[1:])
		for rest := msg[9:]; len(rest) > 0; id++ {
			var p Passed
			var ok bool
			if p, rest, ok = parseEntry(rest, &l.Room.listen); !ok || len(fds) == 0 {
				return false
			}
			p.Host = slices.Clone(p.Host)
			l.came, l.newest = append(l.came, arrival{fds[0], p}), id
			fds = fds[1:]
		}
		return true
	}
	p, id, ok := parsePassed(msg)
	if !ok || len(fds) == 0 {
		return false
	}
	p.Host, p.Bytes = slices.Clone(p.Host), slices.Clone(p.Bytes)
	l.came, l.newest = append(l.came, arrival{fds[0], p}), id
	fds = fds[1:]
	return true
}

// serve has a connection that has come served, unless it is another's.
func (l *Link) serve(fd int, p *Passed) {
	mine := l.Room.begin // Taken may lead back here
	l.Room.begin = nil
	if l.claim(fd, p, &mine) {
		l.Taken(fd, p)
	} else {
		_ = unix.Close(fd)
	}
	l.Room.begin = mine
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

// Ended tells that an error of Pass is of the link: its other side has gone.
func Ended(err error) bool {
	return errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.ENOTCONN)
}

// IsCrowded tells that an error of Pass is of the moment: too many descriptors are on their way, or
// the kernel has no memory for this one.
func IsCrowded(err error) bool {
	return errors.Is(err, unix.ETOOMANYREFS) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
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
