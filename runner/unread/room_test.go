package unread

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// fillUp adds to a queue until there is no room.
func fillUp(t *testing.T, q *Queue) (n int) {
	t.Helper()
	b := bytes.Repeat([]byte("x"), 100_000)
	for room := true; room; {
		room = q.Add(b)
		if n += len(b); n > 64*mostWriting {
			t.Fatal("there is always room")
		}
	}
	return n
}

// called waits until a function of Queue.Await is called.
func called(t *testing.T, what string, again <-chan struct{}) {
	t.Helper()
	select {
	case <-again:
	case <-time.After(time.Minute):
		t.Fatalf("nobody is called: %s", what)
	}
}

// stalls has the disk answer nothing until the channel is closed.
func stalls(s *Store) chan struct{} {
	answers := make(chan struct{})
	open := s.Open
	s.Open = func() (*os.File, error) {
		<-answers
		return open()
	}
	return answers
}

// awaits has word of room sent to a channel.
func awaits(q *Queue) <-chan struct{} {
	again := make(chan struct{}, 10)
	q.Await(func() { again <- struct{}{} })
	return again
}

// Who has waited for a disk and finds the spool full when it answers waits for clients
// from then on: they are pressed, or a worker waits for them in vain.
func TestNoRoomWhenTheDiskAnswers(t *testing.T) {
	s := testStore(t, BlockSize, 2*mostWriting)
	answers := stalls(s)
	q, late := Queue{Store: s}, Queue{Store: s}
	fillUp(t, &q)
	fillUp(t, &late)
	again := awaits(&late)
	if late.Room() || s.Pressed() {
		t.Errorf("pressed while it stalls: %v", s.Pressed())
	}
	s.maxSpool.Store(s.spooled.Load()) // as when others have taken the rest meanwhile
	close(answers)
	called(t, "who waited for the disk", again)
	if late.Room() || !late.Pressed() || !s.Pressed() {
		t.Errorf("room: %v; pressed: %v, %v", late.Room(), late.Pressed(), s.Pressed())
	}
	q.Close()
	late.Close()
	if s.Pressed() {
		t.Error("pressed by nobody")
	}
}

// Who waits for a disk that has stalled goes on when it answers, however little the
// client has read; nobody is pressed meanwhile, and nothing waits for a moment.
func TestRoomWhenTheDiskAnswers(t *testing.T) {
	s := testStore(t, BlockSize, 64<<20)
	answers := stalls(s)
	q, late := Queue{Store: s}, Queue{Store: s}
	fillUp(t, &q)
	fillUp(t, &late)
	first, second := awaits(&q), awaits(&late)
	if q.Room() || s.Pressed() || q.Pressed() {
		t.Errorf("room while it stalls: %v; pressed: %v, %v", q.Room(), s.Pressed(), q.Pressed())
	}
	if len(first) > 0 {
		t.Error("called while it stalls")
	}
	if why := s.Shortage(); !strings.Contains(why, "the disk of the folder for temporary files") {
		t.Errorf("told: %s", why)
	}
	close(answers)
	called(t, "the first", first)
	called(t, "the second", second)
	for _, q := range []*Queue{&q, &late} {
		again := awaits(q)
		for !q.Room() { // others may have used it up meanwhile
			called(t, "again", again)
			again = awaits(q)
		}
		q.Close()
	}
	empty(t, s)
}

// Who waits because the budget is used up goes on when another client has read, or is
// gone, and not before.
func TestRoomWhenOthersHaveRead(t *testing.T) {
	s := testStore(t, BlockSize, 2<<20)
	other, q := Queue{Store: s}, Queue{Store: s}
	written := func() {
		t.Helper()
		await.True(t, "it to be written", func() bool { return s.writing.Load() == 0 })
	}
	for s.Spooled() < 2<<20 {
		other.Add(make([]byte, BlockSize))
		written()
	}
	fillUp(t, &q)
	if !q.Pressed() || !s.Pressed() || q.Room() {
		t.Errorf("pressed %v, %v, room %v", q.Pressed(), s.Pressed(), q.Room())
	}
	again := awaits(&q)
	written()
	if len(again) > 0 {
		t.Error("called before there is room")
	}
	other.Close()
	called(t, "the other is gone", again)
	for !q.Room() { // the file of all that has gone is not closed yet
		called(t, "the file is closed", again)
	}
	if s.Pressed() || !q.Add([]byte("more")) {
		t.Error("no room, though there is")
	}
	q.Close()
	empty(t, s)
}

// A queue that becomes empty waits no more, and nobody calls it.
func TestNobodyWaitsForAnEmptyQueue(t *testing.T) {
	s := testStore(t, BlockSize, 0)
	q := Queue{Store: s}
	fillUp(t, &q)
	again := awaits(&q)
	q.Close()
	if s.waits.Load() != 0 || len(s.waiters) != 0 || s.Pressed() || !q.Room() {
		t.Errorf("%d wait (%d), pressed %v", s.waits.Load(), len(s.waiters), s.Pressed())
	}
	s.Limit(64<<20, 64<<20)
	if len(again) > 0 {
		t.Error("it is called")
	}
}

// A spool that could not be written is tried again for those who wait, and they go on
// when it can be.
func TestRoomWhenTheDiskIsWellAgain(t *testing.T) {
	s := testStore(t, BlockSize, 64<<20)
	var well atomic.Bool
	open := s.Open
	s.Open = func() (*os.File, error) {
		if !well.Load() {
			return nil, &os.PathError{Op: "open", Err: syscall.ENOSPC}
		}
		return open()
	}
	faults := make(chan error, 10)
	s.Fault = func(err error) { faults <- err }
	q := Queue{Store: s}
	fillUp(t, &q)
	if err := <-faults; !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("told: %v", err)
	}
	fillUp(t, &q)
	if why := s.Shortage(); s.Pressed() && !strings.Contains(why, "the spool cannot be written") {
		t.Errorf("told: %s", why)
	}
	well.Store(true)
	for again := awaits(&q); !q.Room(); again = awaits(&q) {
		called(t, "the disk is well", again)
	}
	q.Close()
	empty(t, s)
}

// However often somebody goes on and finds no room again, what is kept over the budget
// is one piece, and comes out in its place.
func TestOverTheBudgetIsOnePiece(t *testing.T) {
	s := testStore(t, BlockSize, 64<<20)
	turns := make(chan struct{})
	open := s.Open
	s.Open = func() (*os.File, error) {
		<-turns
		return open()
	}
	q := Queue{Store: s}
	var put, got []byte
	add := func(n int) bool {
		b := bytes.Repeat([]byte{byte(len(put) >> 12)}, n)
		put = append(put, b...)
		return q.Add(b)
	}
	for add(100_000) {
	}
	add(2) // the end of a chunk
	close(turns)
	for range 20 {
		for again := awaits(&q); !q.Room(); again = awaits(&q) {
			called(t, "there is room", again)
		}
		if m := s.Memory(); m > 3*BlockSize {
			t.Fatalf("%d bytes of memory are used when there is room", m)
		}
		for i := 0; i < 30 && add(100_000); i++ {
		}
		add(2)
	}
	for !q.Empty() {
		b, err := q.Peek(make([]byte, 10_000))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b...)
		q.Take(int64(len(b)))
	}
	if !bytes.Equal(put, got) {
		t.Errorf("%d bytes went in, %d came out, or others", len(put), len(got))
	}
	empty(t, s)
}
