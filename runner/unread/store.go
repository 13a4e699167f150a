package unread

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// BlockSize is the size of a piece of memory, and of a block of the spool.
const BlockSize = 64 << 10

// keepFree is how many free pieces of memory are kept for the next.
const keepFree = 16

// Store is the budget of a master. Its methods are safe for concurrent use.
type Store struct {
	// Open opens the spool file, which has no name; called when it is needed first.
	Open func() (*os.File, error)
	// Fault is told when the spool cannot be written, once until it can be again;
	// nil: nobody is.
	Fault func(error)

	memoryMost atomic.Int64
	spoolMost  atomic.Int64
	memory     atomic.Int64 // bytes in use
	spooled    atomic.Int64 // bytes of blocks
	bodies     atomic.Int64 // bytes of request bodies, see Body
	short      atomic.Int64 // queues that had no room and have not been empty since

	mu     sync.Mutex
	free   [][]byte // guarded by mu: pieces of memory
	file   *os.File // guarded by mu; nil: no block is in use
	next   int64    // guarded by mu: the first block that was never used
	unused []int64  // guarded by mu: blocks before it that are free
	used   int64    // guarded by mu: blocks in use
	failed bool     // guarded by mu: Fault was told
}

// New returns a store with the default budget, whose spool lies among the temporary
// files.
func New() *Store {
	s := &Store{Open: func() (*os.File, error) {
		f, err := os.CreateTemp("", "wsgid-")
		if err == nil {
			_ = os.Remove(f.Name())
		}
		return f, err
	}}
	s.Limit(64<<20, 1<<30)
	return s
}

// Limit sets the budget, in bytes. What waits already stays where it is.
func (s *Store) Limit(memory, spool int64) {
	s.memoryMost.Store(memory)
	s.spoolMost.Store(spool)
}

// Memory is how many bytes of memory are in use.
func (s *Store) Memory() int64 { return s.memory.Load() }

// Spooled is how many bytes of the spool are in use.
func (s *Store) Spooled() int64 { return s.spooled.Load() }

// Pressed tells that somebody waits for room. Then it matters how fast each client
// reads: see Window.
func (s *Store) Pressed() bool { return s.short.Load() > 0 }

// Claim takes n bytes of memory for somebody else's; false: there are none. One that
// must is never refused.
func (s *Store) Claim(n int64, must bool) bool {
	if must {
		s.memory.Add(n)
		return true
	}
	return reserve(&s.memory, n, s.memoryMost.Load())
}

// Unclaim gives back what Claim took.
func (s *Store) Unclaim(n int64) { s.memory.Add(-n) }

func reserve(in *atomic.Int64, n, most int64) bool {
	if in.Add(n) <= most {
		return true
	}
	in.Add(-n)
	return false
}

// share is how much memory one queue may have: little when most is taken, so that
// those who come later have some too.
func (s *Store) share() int64 {
	most := s.memoryMost.Load()
	if s.memory.Load() > most/2 {
		return BlockSize
	}
	return min(512<<10, most)
}

// piece returns memory of BlockSize; nil: there is none.
func (s *Store) piece() []byte {
	if !reserve(&s.memory, BlockSize, s.memoryMost.Load()) {
		return nil
	}
	s.mu.Lock()
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		s.mu.Unlock()
		return b
	}
	s.mu.Unlock()
	b, err := unix.Mmap(-1, 0, BlockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		s.memory.Add(-BlockSize)
		return nil
	}
	return b
}

func (s *Store) freePiece(b []byte) {
	s.memory.Add(-BlockSize)
	s.mu.Lock()
	if len(s.free) < keepFree {
		s.free = append(s.free, b)
		b = nil
	}
	s.mu.Unlock()
	if b != nil {
		_ = unix.Munmap(b)
	}
}

// Buffer is memory of the budget to read a file into, at least a little; free gives
// it back.
func (s *Store) Buffer() (b []byte, free func()) {
	if b := s.piece(); b != nil {
		return b, func() { s.freePiece(b) }
	}
	return make([]byte, 4<<10), func() {}
}

// block returns a free block of the spool by its offset; false: there is none.
func (s *Store) block() (*os.File, int64, bool) {
	if !reserve(&s.spooled, BlockSize, s.spoolMost.Load()) {
		return nil, 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		f, err := s.Open()
		if err != nil {
			s.spooled.Add(-BlockSize)
			s.fault(err)
			return nil, 0, false
		}
		s.file = f
	}
	s.used++
	if n := len(s.unused); n > 0 {
		off := s.unused[n-1]
		s.unused = s.unused[:n-1]
		return s.file, off, true
	}
	off := s.next
	s.next += BlockSize
	return s.file, off, true
}

// freeBlock gives a block back. With the last one the file goes, and its place on
// the disk.
func (s *Store) freeBlock(off int64) {
	s.spooled.Add(-BlockSize)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unused = append(s.unused, off)
	if s.used--; s.used == 0 {
		_ = s.file.Close()
		s.file, s.next, s.unused = nil, 0, nil
	}
}

// write puts bytes into a block; false: the disk does not take them.
func (s *Store) write(f *os.File, b []byte, at int64) bool {
	_, err := f.WriteAt(b, at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.failed = false
		return true
	}
	if path, ok := errors.AsType[*os.PathError](err); ok {
		err = path.Err
	}
	s.fault(fmt.Errorf("cannot write to a temporary file: %w", err))
	return false
}

func (s *Store) fault(err error) {
	if s.failed || s.Fault == nil {
		return
	}
	s.failed = true
	s.Fault(err)
}
