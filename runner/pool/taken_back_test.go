package pool

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// oneEnd is an upload by one descriptor.
type oneEnd int

func (e oneEnd) Ends() []int { return []int{int(e)} }
func (oneEnd) Wanted()       {}
func (oneEnd) Close()        {}

// readNext tells what a worker would read next of its slot, and with how many descriptors; 0: nothing.
func readNext(t *testing.T, s *Slot) (kind byte, descriptors int) {
	t.Helper()
	msg, fds, errno := evloop.NewReceiver(wsgi.MaxMessage).RecvAll(s.theirs)
	if errno == unix.EAGAIN {
		return 0, 0
	}
	if errno != 0 || len(msg) == 0 {
		t.Fatalf("%q, %v", msg, errno)
	}
	evloop.CloseAll(fds)
	return msg[0], len(fds)
}

// TestABodyStaysWithTheRequestThatWasRead: a worker reads a request and its body one after the
// other, and may be given no time between the two. What waits behind them is taken back then, for
// workers that have nothing to do.
func TestABodyStaysWithTheRequestThatWasRead(t *testing.T) {
	loop, err := evloop.New()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &Pool{loop: loop, rx: evloop.NewReceiver(wsgi.MaxMessage), spec: &appspec.Spec{}, capacity: 2}
	w := &worker{pool: p, life: lifecycle{now: phaseServing, was: phaseServing}}
	s := &Slot{w: w, fd: pair[0], theirs: pair[1]}
	w.slots, p.workers = []*Slot{s}, []*worker{w}
	t.Cleanup(func() { _, _ = unix.Close(pair[0]), unix.Close(pair[1]) })
	request := func(u Upload) *Exchange {
		x := &Exchange{Upload: u, Sink: &healthProbe{}}
		x.Msg = wsgi.AppendHeader(nil, wsgi.MsgRequest, wsgi.FlagBodyFile, 0)
		p.number(x)
		return x
	}
	upload := request(oneEnd(pair[0]))
	if !s.send(upload, 1) {
		t.Fatal("the request was not sent")
	}
	if p.prefetch(request(nil)) || s.takesMore(slotDepth) {
		t.Error("a request was sent behind one with a body")
	}
	if kind, _ := readNext(t, s); kind != wsgi.MsgRequest {
		t.Fatalf("the worker reads %q", kind)
	}
	if back := s.takeBack(); len(back) > 0 || s.n != 1 {
		t.Errorf("%d were taken back of a worker that has read the request", len(back))
	}
	if kind, n := readNext(t, s); kind != wsgi.MsgBody || n != 1 {
		t.Errorf("the worker that has read a request reads %q with %d descriptors, and not its body", kind, n)
	}
	if x := s.pop(2); x != upload || !s.takesMore(slotDepth) || !s.send(request(nil), int64(time.Second)) {
		t.Error("after the answer nothing is sent")
	}

	// What a worker that has ended did not read another one gets.
	s.pop(3)
	readNext(t, s)
	if !s.send(upload, 4) {
		t.Fatal("the request was not sent")
	}
	w.life.now = phaseEnded
	if back := s.takeBack(); len(back) != 1 || back[0] != upload || s.n != 0 {
		t.Errorf("%d were taken back of a worker that has ended", len(back))
	}
}
