package unread

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// bodiless waits until nothing is left of bodies.
func bodiless(t *testing.T, s *Store) {
	t.Helper()
	await.Nil(t, await.Patience, "all to be given back", func() error {
		s.pieces.mu.Lock()
		n, waiting := s.pieces.n, len(s.pieces.waiting)+len(s.pieces.granted)
		s.pieces.mu.Unlock()
		s.keeping.mu.Lock()
		busy := s.keeping.n
		s.keeping.mu.Unlock()
		if s.inMemory.Load() > 0 {
			busy++
		}
		if n == 0 && waiting == 0 && busy == 0 && s.Bodies() == 0 && s.given.Load() == 0 && s.Memory() == 0 {
			return nil
		}
		return fmt.Errorf("%d pieces, %d that wait, %d writers, %d bytes of bodies, %d given, %d of memory", n, waiting, busy, s.Bodies(), s.given.Load(), s.Memory())
	})
}

// Many bodies at once, in pieces of all sizes, some of which are given up: each file
// has what was put into it, and nothing is left of them.
func TestBodiesAtOnce(t *testing.T) {
	s := testStore(t, 1<<20, 1<<30)
	var all sync.WaitGroup
	for seed := range uint64(30) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, 5))
			b := s.NewBody([]int64{-1, mostInMemory + 1}[r.IntN(2)], nil)
			defer func() { _ = b.Close() }()
			var want []byte
			fail := func(err error) bool {
				if err != nil {
					t.Error(err)
				}
				return err != nil
			}
			for range 1 + r.IntN(60) {
				p := make([]byte, r.IntN(1<<uint(r.IntN(18))))
				for i := range p {
					p[i] = byte(r.Uint32())
				}
				want = append(want, p...)
				if r.IntN(20) == 0 && len(p) > 0 {
					if err := b.Give(p); err == nil {
						continue
					} else if !errors.Is(err, ErrSlow) {
						t.Error(err)
						return
					}
				}
				if fail(b.Write(p, 0)) {
					return
				}
			}
			if len(want) == 0 || r.IntN(4) == 0 {
				return
			}
			if fail(b.Finish(0)) {
				return
			}
			got, err := io.ReadAll(io.NewSectionReader(b, 0, 1<<40))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes went in, %d came out, or others, %v", len(want), len(got), err)
			}
		})
	}
	all.Wait()
	bodiless(t, s)
}

// A disk that does not answer: bodies take no more memory than they may all together,
// those that are given up have it back at once but for what the disk is at, and the
// others are whole when it answers.
func TestBodiesOnAStalledDisk(t *testing.T) {
	s := testStore(t, 1<<20, 1<<30)
	answers := make(chan struct{})
	open := s.Open
	s.Open = func() (*os.File, error) {
		<-answers
		return open()
	}
	const large = mostInMemory + 1
	type client struct {
		*Body
		put  []byte
		woke chan struct{}
	}
	var clients []*client
	fill := func(c *client) (n int) {
		t.Helper()
		for {
			space, err := c.Space()
			if err != nil {
				t.Fatal(err)
			}
			if space == nil {
				return n
			}
			space = space[:min(len(space), 50_000)]
			for i := range space {
				space[i] = byte(len(c.put) + i)
			}
			c.put = append(c.put, space...)
			if err := c.Filled(len(space)); err != nil {
				t.Fatal(err)
			}
			n += len(space)
		}
	}
	total := 0
	for range 3 * mostWriting / BlockSize {
		c := &client{woke: make(chan struct{}, 100)}
		c.Body = s.NewBody(large, func() { c.woke <- struct{}{} })
		clients = append(clients, c)
		total += fill(c)
	}
	if total > mostWriting {
		t.Errorf("%d bytes are in memory", total)
	}
	last := clients[len(clients)-1]
	if len(last.put) > 0 {
		t.Fatal("who came last has memory")
	}
	last.Await()
	// Two are at the disk; the third has room for as much as it had when it is gone.
	_ = clients[2].Close()
	for i := 3; ; i++ {
		select {
		case <-clients[i].woke:
		default:
			if i == len(clients)-1 {
				t.Fatal("nobody got the room of who is gone")
			}
			continue
		}
		if fill(clients[i]) == 0 {
			t.Error("there is no room for who was woken")
		}
		break
	}
	if !last.Stuck() {
		t.Error("the disk has done something")
	}
	if err := clients[0].Give(make([]byte, 10)); err != nil {
		t.Error(err)
	}
	clients[0].put = append(clients[0].put, make([]byte, 10)...)
	if err := clients[0].Give(make([]byte, 2<<20)); !errors.Is(err, ErrSlow) {
		t.Errorf("more than the budget for memory is taken: %v", err)
	}
	for _, c := range []*client{clients[1], last} { // one is at the disk, one waits for memory
		_ = c.Close()
	}
	close(answers)
	for i, c := range clients {
		if i == 1 || i == 2 || c == last || len(c.put) == 0 {
			_ = c.Close()
			continue
		}
		for done := false; !done; {
			var err error
			if done, err = c.Complete(); err != nil {
				t.Fatal(err)
			}
			if !done {
				select {
				case <-c.woke:
				case <-time.After(time.Minute):
					t.Fatal("nobody tells that the disk has answered")
				}
			}
		}
		got, err := io.ReadAll(io.NewSectionReader(c, 0, 1<<40))
		if err != nil || !bytes.Equal(got, c.put) {
			t.Errorf("%d: %d bytes went in, %d came out, or others, %v", i, len(c.put), len(got), err)
		}
		_ = c.Close()
	}
	bodiless(t, s)
}

// The room of a body is free as soon as it is given up, however long the disk takes to
// close its file: whoever has the answer to one large upload may send the next.
func TestRoomOfABodyIsFreeAtOnce(t *testing.T) {
	const room = 4 << 20
	s := testStore(t, 1<<20, room)
	b := s.NewBody(room, nil)
	if err := b.Write(make([]byte, room), 0); err != nil {
		t.Fatal(err)
	}
	if err := b.Finish(0); err != nil {
		t.Fatal(err)
	}
	next := s.NewBody(room, nil)
	if err := next.Write(make([]byte, 10), 0); !errors.Is(err, ErrFull) {
		t.Errorf("beside a body that has all the room: %v", err)
	}
	_ = next.Close()

	// All writers are busy from here on.
	held := make(chan struct{})
	for range mostWriters {
		at := make(chan struct{})
		s.keeping.add(stalledJob{at, held})
		<-at
	}
	_ = b.Close()
	next = s.NewBody(room, nil)
	if err := next.Write(make([]byte, 10), 0); err != nil {
		t.Errorf("when the other one is given up: %v", err)
	}
	close(held)
	_ = next.Close()
	bodiless(t, s)
}

// stalledJob is a disk that does not answer until held is closed.
type stalledJob struct{ at, held chan struct{} }

func (j stalledJob) write() {
	close(j.at)
	<-j.held
}

// What a disk says is said to whoever has the body, at the latest when it ends.
func TestBodyOnABadDisk(t *testing.T) {
	for _, c := range []struct {
		name string
		open func() (*os.File, error)
		want error
	}{
		{"full", func() (*os.File, error) { return os.OpenFile("/dev/full", os.O_RDWR, 0) }, syscall.ENOSPC},
		{"gone", func() (*os.File, error) { return nil, fmt.Errorf("cannot open it: %w", syscall.EIO) }, syscall.EIO},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := testStore(t, 1<<20, 1<<30)
			s.Open = c.open
			b := s.NewBody(-1, nil)
			var err error
			for range 100 {
				if err = b.Write(make([]byte, BlockSize), time.Minute); err != nil {
					break
				}
			}
			if !errors.Is(err, c.want) {
				t.Errorf("after 100 pieces: %v", err)
			}
			if err := b.Finish(time.Minute); !errors.Is(err, c.want) {
				t.Errorf("at the end: %v", err)
			}
			_ = b.Close()
			bodiless(t, s)
		})
	}
}

// Whoever waits for a disk that takes nothing is told.
func TestBodyWaitsNoLongerThanItMay(t *testing.T) {
	s := testStore(t, 1<<20, 1<<30)
	answers := make(chan struct{})
	s.Open = func() (*os.File, error) {
		<-answers
		return nil, io.EOF
	}
	b := s.NewBody(mostInMemory+1, nil)
	if err := b.Write([]byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	if err := b.Finish(10 * time.Millisecond); !errors.Is(err, ErrStalled) {
		t.Errorf("%v, want ErrStalled", err)
	}
	if err := b.Write(make([]byte, 2*mostWriting), 10*time.Millisecond); !errors.Is(err, ErrStalled) {
		t.Errorf("%v, want ErrStalled", err)
	}
	_ = b.Close()
	close(answers)
	bodiless(t, s)
}

// Short bodies wait in memory, a quarter of the budget for all of them together; what
// finds no room there, or grows, goes to the disk.
func TestBodiesInMemory(t *testing.T) {
	s := testStore(t, 8*mostInMemory, 1<<30)
	opened := 0
	open := s.Open
	s.Open = func() (*os.File, error) {
		opened++
		return open()
	}
	put := func(b *Body, n int) (want []byte) {
		t.Helper()
		want = bytes.Repeat([]byte("0123456789"), n/10+1)[:n]
		for at := 0; at < n; at += 10_000 {
			if err := b.Write(want[at:min(n, at+10_000)], 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Finish(0); err != nil {
			t.Fatal(err)
		}
		return want
	}
	same := func(b *Body, want []byte) {
		t.Helper()
		got, err := io.ReadAll(io.NewSectionReader(b, 0, 1<<40))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes went in, %d came out, or others, %v", len(want), len(got), err)
		}
	}
	grown := s.NewBody(-1, nil)
	same(grown, put(grown, 3*mostInMemory))
	if _ = grown.Close(); opened != 1 {
		t.Errorf("a body that grew: %d files were opened", opened)
	}
	bodiless(t, s)
	var all []*Body
	for range 2 {
		b := s.NewBody(mostInMemory, nil)
		same(b, put(b, mostInMemory))
		all = append(all, b)
	}
	if opened != 1 || s.Memory() != 2*mostInMemory {
		t.Errorf("%d files were opened, %d bytes are in memory", opened, s.Memory())
	}
	b := s.NewBody(BlockSize+1, nil) // no more room
	same(b, put(b, BlockSize+1))
	if opened != 2 {
		t.Errorf("without room in memory: %d files were opened", opened)
	}
	for _, b := range append(all, b) {
		_ = b.Close()
	}
	bodiless(t, s)
}
