package unread

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	// MostPiped is the size in bytes up to which a body may wait in pipes.
	MostPiped = 16 << 20
	// pipeSize is what any user may have a pipe hold: 256 pieces of memory, of up to 32 KiB
	// each where they are moved out of a socket.
	pipeSize = 1 << 20
	// mostPipes is how many all bodies of a store may have.
	mostPipes = 48
	// mostOfBody is how many one body may have; so many descriptors go to a worker at once.
	mostOfBody = 16
	// leastInPipe is how many bytes a pipe must hold when it is full, for another to be
	// worth it: what comes in small packets keeps more memory than it has bytes.
	leastInPipe = 256 << 10
)

// ErrNoPipe tells that there is no room for more in pipes: the body is to be kept in a
// Body, and what is in them read.
var ErrNoPipe = errors.New("no room in pipes")

// Pipes keep the body of a request as the kernel has received it: what comes by a socket
// is moved to them, and read by the worker alone, so that it is copied once. What they
// hold is of the store's budget for memory, of which they may have two thirds. They are for one
// goroutine at a time, but for those that Pipes of the same store belong to.
type Pipes struct {
	store *Store
	pipes [][2]int // the end that is read, and the one that is written; -1: closed
	last  int64    // bytes in the last one
	size  int64    // bytes in all of them
	room  int64    // of the budget
}

// pipesInUse counts pipes and the memory behind them.
type pipesInUse struct {
	pipes  atomic.Int64
	memory atomic.Int64
	scarce sync.Once // Store.Scarce was told
}

// NewPipes is for a body of so many bytes; nil: it is too large, or there are no pipes.
func (s *Store) NewPipes(size int64) *Pipes {
	if size > MostPiped || s.piped.pipes.Load() >= pipesAllowed() {
		return nil
	}
	return &Pipes{store: s}
}

// Size is how many bytes they have.
func (p *Pipes) Size() int64 { return p.size }

// Move moves bytes from a socket, most of them at most, as they come; 0 without an error:
// its other side has ended. The error is EAGAIN where none have come, ErrNoPipe where
// there is no room for them.
func (p *Pipes) Move(from int, most int64) (int64, error) {
	if !p.claim(most) {
		return 0, ErrNoPipe
	}
	for again := false; ; {
		if len(p.pipes) == 0 && !p.add() {
			return 0, ErrNoPipe
		}
		n, err := unix.Splice(from, nil, p.pipes[len(p.pipes)-1][1], nil, int(most), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch {
		case err == nil:
			p.last += n
			p.size += n
			return n, nil
		case err == unix.EINTR:
		case err != unix.EAGAIN:
			return 0, err
		default:
			// There is nothing to be read, or the pipe is full.
			waits, ioctl := unix.IoctlGetInt(from, unix.SIOCINQ)
			if ioctl != nil || waits == 0 || p.last == 0 {
				return 0, unix.EAGAIN
			}
			if again {
				if p.last < leastInPipe || !p.add() {
					return 0, ErrNoPipe
				}
			}
			again = !again // it may have come meanwhile
		}
	}
}

// Put copies bytes that were read already; false: there is no room for all of them, and
// none was taken.
func (p *Pipes) Put(b []byte) bool {
	if len(b) > pipeSize/2 || !p.claim(int64(len(b))) {
		return false
	}
	// One that is half empty by count of bytes may still have no room.
	if len(p.pipes) == 0 || p.last > 0 {
		if !p.add() {
			return false
		}
	}
	for len(b) > 0 {
		n, err := unix.Write(p.pipes[len(p.pipes)-1][1], b)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return false
		default:
			b = b[n:]
			p.last += int64(n)
			p.size += int64(n)
		}
	}
	return true
}

// claim sees to it that there is budget for so many bytes more.
func (p *Pipes) claim(n int64) bool {
	s := p.store
	more := (p.size + n - p.room + BlockSize - 1) / BlockSize * BlockSize
	if more <= 0 {
		return true
	}
	if !reserve(&s.piped.memory, more, s.memoryMost.Load()/3*2) {
		return false
	}
	if !s.Claim(more, false) {
		s.piped.memory.Add(-more)
		return false
	}
	p.room += more
	return true
}

// add opens another pipe.
func (p *Pipes) add() bool {
	s := p.store
	if len(p.pipes) == mostOfBody || !reserve(&s.piped.pipes, 1, pipesAllowed()) {
		return false
	}
	var ends [2]int
	if unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		s.piped.pipes.Add(-1)
		return false
	}
	size, err := unix.FcntlInt(uintptr(ends[1]), unix.F_SETPIPE_SZ, pipeSize)
	if err != nil || size < pipeSize || s.Kept != nil && (s.Kept(ends[0]) || s.Kept(ends[1])) {
		_, _ = unix.Close(ends[0]), unix.Close(ends[1])
		s.piped.pipes.Add(-1)
		if errors.Is(err, unix.EPERM) {
			s.piped.scarce.Do(func() {
				if s.Scarce != nil {
					s.Scarce(fmt.Errorf("cannot make a pipe of %d bytes: the pipes of this user have reached fs.pipe-user-pages-soft or fs.pipe-user-pages-hard, or fs.pipe-max-size is less than that: %w", pipeSize, err))
				}
			})
		}
		return false
	}
	p.closeLast()
	p.pipes = append(p.pipes, ends)
	p.last = 0
	return true
}

// closeLast closes the end by which the last pipe is filled.
func (p *Pipes) closeLast() {
	if n := len(p.pipes); n > 0 && p.pipes[n-1][1] >= 0 {
		_ = unix.Close(p.pipes[n-1][1])
		p.pipes[n-1][1] = -1
	}
}

// Finish ends the body: each pipe ends behind what it has. The worker waits for nothing
// in them.
func (p *Pipes) Finish() error {
	p.closeLast()
	for _, ends := range p.pipes {
		if err := unix.SetNonblock(ends[0], false); err != nil {
			return err
		}
	}
	return nil
}

// Ends are those to be read, in order, once Finish was called. They stay ours.
func (p *Pipes) Ends() []int {
	ends := make([]int, len(p.pipes))
	for i := range p.pipes {
		ends[i] = p.pipes[i][0]
	}
	return ends
}

// Read takes bytes out again, in place of Finish; 0: there are no more. Nothing is put in
// from then on.
func (p *Pipes) Read(b []byte) (int, error) {
	p.closeLast()
	for len(p.pipes) > 0 {
		n, err := unix.Read(p.pipes[0][0], b)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN, err == nil && n == 0:
			// A process that is just being started may have its other end for a moment, and
			// is not waited for.
			p.drop(1)
		case err != nil:
			return 0, err
		default:
			p.size -= int64(n)
			return n, nil
		}
	}
	p.Close()
	return 0, nil
}

// drop closes the first n pipes.
func (p *Pipes) drop(n int) {
	for _, ends := range p.pipes[:n] {
		for _, fd := range ends {
			if fd >= 0 {
				_ = unix.Close(fd)
			}
		}
	}
	p.store.piped.pipes.Add(int64(-n))
	p.pipes = p.pipes[n:]
}

// Close gives everything back.
func (p *Pipes) Close() {
	p.drop(len(p.pipes))
	p.size = 0
	if p.room > 0 {
		p.store.piped.memory.Add(-p.room)
		p.store.Unclaim(p.room)
		p.room = 0
	}
}
