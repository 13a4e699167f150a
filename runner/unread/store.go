package unread

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// BlockSize is the size of a piece of memory, and of a block of the spool.
const BlockSize = 64 << 10

// keepFree is how many free pieces of memory are kept for the next.
const keepFree = 16

// Store is the budget of a master. Its methods are safe for concurrent use.
type Store struct {
	// Open opens the spool file, which has no name, or that of a body; called when it is
	// needed first, by goroutines that may wait for a disk.
	Open func() (*os.File, error)
	// Fault is told when the spool cannot be written, once until it can be again;
	// nil: nobody is.
	Fault func(error)

	// Scarce is told, once, that the kernel gives no more pipes to this user, see Pipes;
	// nil: nobody is.
	Scarce func(error)

	// Kept tells that a new descriptor is one that clients do not get; nil: none is.
	Kept func(fd int) bool

	memoryMost atomic.Int64
	maxSpool   atomic.Int64
	memory     atomic.Int64 // bytes in use
	spooled    atomic.Int64 // bytes of blocks
	bodies     atomic.Int64 // bytes of request bodies, see Body
	short      atomic.Int64 // queues for which the budget has no room

	writing atomic.Int64 // bytes that are on their way to the spool

	waits   atomic.Int64 // how many waiters there are
	roomMu  sync.Mutex   // no other is taken under it
	waiters []waiter     // guarded by roomMu: queues that wait for room, in the order in which they came

	mu      sync.Mutex // held for no call that may wait for a disk
	free    [][]byte   // guarded by mu: pieces of memory
	next    int64      // guarded by mu: the first block that was never used
	unused  []int64    // guarded by mu: blocks before it that are free
	used    int64      // guarded by mu: blocks in use
	failed  bool       // guarded by mu: Fault was told
	retryAt time.Time  // guarded by mu: when a spool that has failed is tried again
	file    *os.File   // guarded by mu; nil: nothing was written since no block was in use
	buffers [][]byte   // guarded by mu: for blocks that are to be written

	spooling writers // of blocks

	keeping  writers      // of request bodies, see Body
	kept     atomic.Int64 // what they have done, in calls to the disk
	inMemory atomic.Int64 // bytes of memory where bodies are kept
	given    atomic.Int64 // bytes of Body.Give that are not written
	pieces   pieces       // of memory that bodies have
	piped    pipesInUse   // by bodies

	opening sync.Mutex // one opens the file
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
	s.maxSpool.Store(spool)
	s.roomier()
}

// Memory is how many bytes of memory are in use.
func (s *Store) Memory() int64 { return s.memory.Load() }

// Spooled is how many bytes of the spool are in use.
func (s *Store) Spooled() int64 { return s.spooled.Load() }

// Pressed tells that somebody waits for room that clients have. Then it matters how
// fast each of them reads: see Window.
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
func (s *Store) Unclaim(n int64) {
	s.memory.Add(-n)
	s.roomier()
}

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
	b := s.take()
	if b == nil {
		s.memory.Add(-BlockSize)
	}
	return b
}

// take returns memory of BlockSize that is counted elsewhere; nil: the kernel has none.
func (s *Store) take() []byte {
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
		return nil
	}
	return b
}

func (s *Store) freePiece(b []byte) {
	s.memory.Add(-BlockSize)
	s.giveBack(b)
	s.roomier()
}

// giveBack is the end of take.
func (s *Store) giveBack(b []byte) {
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

// fault tells of an error, once until the spool can be written again.
func (s *Store) fault(err error) {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		err = path.Err
	}
	s.mu.Lock()
	told := s.failed
	s.failed, s.retryAt = true, time.Now().Add(retryRest)
	s.mu.Unlock()
	s.retryLater()
	if !told && s.Fault != nil {
		s.Fault(fmt.Errorf("cannot write to a temporary file: %w", err))
	}
}
