package unread

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// socketPair is two ends of a connection.
func socketPair(t *testing.T) (ours, theirs int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.Close(pair[0]), unix.Close(pair[1]) })
	return pair[0], pair[1]
}

// What is put into pipes and moved there comes out as it went in, and what they had of
// the budget is given back.
func TestPipes(t *testing.T) {
	s := testStore(t, 8<<20, 1<<30)
	ours, theirs := socketPair(t)
	p := s.NewPipes(3 << 20)
	if p == nil {
		t.Fatal("no pipes")
	}
	if _, err := p.Move(ours, 1000); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("of nothing: %v", err)
	}
	var want []byte
	for i := range 100 {
		piece := bytes.Repeat([]byte{byte(i)}, 30_000)
		want = append(want, piece...)
		if i == 0 {
			if !p.Put(piece) {
				t.Fatal("what came with the head finds no room")
			}
			continue
		}
		if n, err := unix.Write(theirs, piece); n != len(piece) {
			t.Fatalf("%d, %v", n, err)
		}
		for left := int64(len(piece)); left > 0; {
			n, err := p.Move(ours, left)
			if err != nil || n == 0 {
				t.Fatalf("piece %d: %d, %v", i, n, err)
			}
			left -= n
		}
	}
	if p.Size() != int64(len(want)) || s.Memory() < p.Size() || s.Memory() > p.Size()+BlockSize {
		t.Errorf("%d bytes are in them, %d of the budget", p.Size(), s.Memory())
	}
	_ = unix.Shutdown(theirs, unix.SHUT_WR)
	if n, err := p.Move(ours, 1000); n != 0 || err != nil {
		t.Errorf("at the end: %d, %v", n, err)
	}
	// As a process has it that is being started: nobody waits until it has begun.
	held, err := unix.FcntlInt(uintptr(p.pipes[len(p.pipes)-1][1]), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(held) }()
	var got []byte
	buf := make([]byte, 70_000)
	for {
		n, err := p.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		got = append(got, buf[:n]...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes came out, or others than the %d that went in", len(got), len(want))
	}
	if s.Memory() != 0 || s.piped.memory.Load() != 0 || s.piped.pipes.Load() != 0 {
		t.Errorf("left: %d bytes of memory, %d of pipes, %d pipes", s.Memory(), s.piped.memory.Load(), s.piped.pipes.Load())
	}
}

// Pipes have two thirds of the budget, and there are no more than a number of them; who
// finds none is told, and others find them again when they are closed.
func TestRoomInPipes(t *testing.T) {
	s := testStore(t, 3<<20, 1<<30)
	ours, theirs := socketPair(t)
	if p := s.NewPipes(MostPiped + 1); p != nil {
		t.Error("a body that is too large")
	}
	p := s.NewPipes(MostPiped)
	if p.Put(make([]byte, 4<<20)) {
		t.Error("more at once than a pipe takes")
	}
	if _, err := p.Move(ours, 2<<20+1); !errors.Is(err, ErrNoPipe) {
		t.Errorf("more than the budget: %v", err)
	}
	if _, err := unix.Write(theirs, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Move(ours, 2<<20); n != 1 || err != nil {
		t.Errorf("all of it: %d, %v", n, err)
	}
	q := s.NewPipes(1)
	if q.Put([]byte("x")) {
		t.Error("another one finds room")
	}
	p.Close()
	if !q.Put([]byte("x")) {
		t.Error("another one finds none although it was given back")
	}
	q.Close()

	s.Limit(64<<20, 1<<30)
	var all []*Pipes
	for range pipesAllowed() {
		p := s.NewPipes(1)
		if p == nil || !p.Put([]byte("x")) {
			t.Fatalf("%d pipes", len(all))
		}
		all = append(all, p)
	}
	if s.NewPipes(1) != nil {
		t.Error("there is always one more")
	}
	for _, p := range all {
		p.Close()
	}
	if s.Memory() != 0 || s.piped.memory.Load() != 0 || s.piped.pipes.Load() != 0 {
		t.Errorf("left: %d bytes of memory, %d of pipes, %d pipes", s.Memory(), s.piped.memory.Load(), s.piped.pipes.Load())
	}
}
