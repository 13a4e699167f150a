package unread

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

func testStore(t *testing.T, memory, spool int64) *Store {
	t.Helper()
	s := &Store{Open: func() (*os.File, error) {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err == nil {
			_ = os.Remove(f.Name())
		}
		return f, err
	}}
	s.Limit(memory, spool)
	return s
}

// Whatever is put into many queues comes out of each in order, within the budget,
// and nothing of it is left.
func TestQueuesShareABudget(t *testing.T) {
	const memory, spool = 1 << 20, 4 << 20
	s := testStore(t, memory, spool)
	r := rand.New(rand.NewPCG(1, 2))
	type client struct {
		q        Queue
		put, got []byte
	}
	clients := make([]*client, 40)
	for i := range clients {
		clients[i] = &client{q: Queue{Store: s}}
	}
	buf := make([]byte, 10_000)
	full, over := false, int64(0)
	for range 6_000 {
		c := clients[r.IntN(len(clients))]
		if r.IntN(5) < 3 && len(c.put) < 1<<20 {
			b := make([]byte, 1+r.IntN(1<<uint(r.IntN(18))))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			c.put = append(c.put, b...)
			if !c.q.Add(b) {
				full = true
				over += int64(len(b))
			}
		} else if !c.q.Empty() {
			b, err := c.q.Peek(buf)
			if err != nil {
				t.Fatal(err)
			}
			b = b[:1+r.IntN(len(b))]
			c.got = append(c.got, b...)
			c.q.Take(int64(len(b)))
		}
		if m, p := s.Memory(), s.Spooled(); m > memory+over || p > spool {
			t.Fatalf("%d bytes of memory, %d more than given, %d of the spool", m, over, p)
		}
	}
	if !full {
		t.Error("the budget was never used up")
	}
	for _, c := range clients {
		for !c.q.Empty() {
			b, err := c.q.Peek(buf)
			if err != nil {
				t.Fatal(err)
			}
			c.got = append(c.got, b...)
			c.q.Take(int64(len(b)))
		}
		if !bytes.Equal(c.put, c.got) {
			t.Fatalf("%d bytes went in, %d came out, or others", len(c.put), len(c.got))
		}
	}
	empty(t, s)
}

// empty waits until a store has nothing left: what is being written goes when it is.
func empty(t *testing.T, s *Store) {
	t.Helper()
	await.Nil(t, await.Patience, "all to be given back", func() error {
		s.mu.Lock()
		file := s.file
		s.mu.Unlock()
		if s.Memory() == 0 && s.Spooled() == 0 && s.writing.Load() == 0 && file == nil {
			return nil
		}
		return fmt.Errorf("%d bytes of memory, %d of the spool, %d that are being written, file %v", s.Memory(), s.Spooled(), s.writing.Load(), file)
	})
}

// A disk that takes nothing is told once, and loses nothing.
func TestFullDisk(t *testing.T) {
	s := testStore(t, BlockSize, 1<<20)
	s.Open = func() (*os.File, error) { return os.OpenFile("/dev/full", os.O_RDWR, 0) }
	faults := make(chan error, 10)
	s.Fault = func(err error) { faults <- err }
	q := Queue{Store: s}
	b := bytes.Repeat([]byte("x"), BlockSize)
	for _, what := range []string{"in memory", "to try the disk"} {
		if !q.Add(b) {
			t.Error("no room " + what)
		}
	}
	if err := <-faults; !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("told: %v", err)
	}
	for range 3 {
		if q.Add(b) {
			t.Error("there is room")
		}
	}
	n := 0
	for !q.Empty() {
		b, err := q.Peek(nil)
		if err != nil {
			t.Fatal(err)
		}
		n += len(b)
		q.Take(int64(len(b)))
	}
	if n != 5*BlockSize {
		t.Errorf("%d bytes came out", n)
	}
	empty(t, s)
	if len(faults) > 0 {
		t.Errorf("told again: %v", <-faults)
	}
}

// A disk that does not answer holds up nobody: soon there is no room any more, what
// there is can be read, and all is well when it answers.
func TestStalledDisk(t *testing.T) {
	s := testStore(t, BlockSize, 64<<20)
	answers := make(chan struct{})
	open := s.Open
	s.Open = func() (*os.File, error) {
		<-answers
		return open()
	}
	r := rand.New(rand.NewPCG(3, 4))
	var put, got []byte
	q, other := Queue{Store: s}, Queue{Store: s}
	room := true
	for room {
		b := make([]byte, 1+r.IntN(100_000))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		put = append(put, b...)
		room = q.Add(b)
		if len(put) > 4*mostWriting {
			t.Fatal("memory is filled")
		}
	}
	take := func(n int) {
		t.Helper()
		b, err := q.Peek(make([]byte, 10_000))
		if err != nil {
			t.Fatal(err)
		}
		b = b[:min(n, len(b))]
		got = append(got, b...)
		q.Take(int64(len(b)))
	}
	for range 100 {
		take(1 + r.IntN(3000))
	}
	other.Add([]byte("small"))
	other.Close()
	close(answers)
	await.True(t, "it to be written", func() bool { return s.writing.Load() == 0 })
	b := make([]byte, 200_000)
	put = append(put, b...)
	if !q.Add(b) {
		t.Error("no room, though the disk answers")
	}
	for !q.Empty() {
		take(1 << 20)
	}
	if !bytes.Equal(put, got) {
		t.Errorf("%d bytes went in, %d came out, or others", len(put), len(got))
	}
	empty(t, s)
}

// Parts of files keep their place among the bytes, and are closed when taken.
func TestFileBetweenBytes(t *testing.T) {
	q := Queue{Store: testStore(t, 1<<20, 0)}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("0123456789"); err != nil {
		t.Fatal(err)
	}
	q.Add([]byte("<"))
	q.AddFile(f, 2, 5)
	q.Add([]byte(">"))
	var got []byte
	for buf := make([]byte, 3); !q.Empty(); {
		b, err := q.Peek(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b...)
		q.Take(int64(len(b)))
	}
	if string(got) != "<23456>" {
		t.Errorf("got %q", got)
	}
	if _, err := f.Write(nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the file is open: %v", err)
	}
	short, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	q.AddFile(short, 0, 1)
	if _, err := q.Peek(make([]byte, 1)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that is too short: %v", err)
	}
	q.Close()
}

func TestTooSlow(t *testing.T) {
	for _, c := range []struct {
		n, rate int64
		d       time.Duration
		want    bool
	}{
		{0, 0, time.Second, true}, {1, 0, time.Hour, false}, {0, 1000, time.Second, true},
		{59_999, 1000, time.Minute, true}, {60_000, 1000, time.Minute, false}, {-1, 0, time.Second, true},
	} {
		if got := TooSlow(c.n, c.rate, c.d); got != c.want {
			t.Errorf("%d bytes in %v at %d a second: %v", c.n, c.d, c.rate, got)
		}
	}
}
