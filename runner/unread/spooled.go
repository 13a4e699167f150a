package unread

import (
	"os"
	"sync"
	"time"
)

const (
	// mostWriting is how many bytes may be on their way to the spool. When a disk does
	// not keep up workers wait, until it has written half of them.
	mostWriting = 1 << 20
	// retryRest is how long a spool that could not be written is left alone.
	retryRest = time.Second
)

// spooled is a block of the spool. Its bytes are written behind the back of the
// queue, in order, and are in memory until they are on disk.
type spooled struct {
	store *Store
	off   int64 // of the block in the file

	mu      sync.Mutex
	file    *os.File // guarded by mu; nil: nothing is written yet
	memory  []byte   // guarded by mu: what is not written yet
	buffer  []byte   // guarded by mu: where memory lies; nil: it is an allocation of its own
	lent    bool     // guarded by mu: somebody may read memory without the lock
	written int      // guarded by mu: bytes of the block before that
	queued  bool     // guarded by mu: a writer has it, or will
	failed  bool     // guarded by mu: what is in memory stays there
	dropped bool     // guarded by mu: the queue has no more use for it
}

// block takes a free block; nil: there is none.
func (s *Store) block() *spooled {
	if !reserve(&s.spooled, BlockSize, s.maxSpool.Load()) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed && time.Now().Before(s.retryAt) {
		s.spooled.Add(-BlockSize)
		return nil
	}
	s.used++
	if n := len(s.unused); n > 0 {
		off := s.unused[n-1]
		s.unused = s.unused[:n-1]
		return &spooled{store: s, off: off}
	}
	off := s.next
	s.next += BlockSize
	return &spooled{store: s, off: off}
}

// freeBlock gives a block back. With the last one the file goes, and its place on
// the disk, which counts until then.
func (s *Store) freeBlock(off int64) {
	defer s.roomier()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unused = append(s.unused, off)
	if s.used--; s.used == 0 {
		if f := s.file; f != nil {
			size := s.next
			s.spooled.Add(size)
			go func() { // a disk may hold it up
				_ = f.Close()
				s.spooled.Add(-size)
				s.roomier()
			}()
		}
		s.file, s.next, s.unused, s.buffers = nil, 0, nil, nil
	}
	s.spooled.Add(-BlockSize)
}

// add appends a copy of b to the block, but where too much is on its way, or the disk
// does not take it.
func (p *spooled) add(b []byte) lack {
	s := p.store
	if !reserve(&s.writing, int64(len(b)), mostWriting) {
		return disk
	}
	p.mu.Lock()
	if p.failed {
		p.mu.Unlock()
		s.writing.Add(-int64(len(b)))
		return budget
	}
	if p.buffer == nil && len(p.memory)+len(b) >= BlockSize/2 {
		// Whoever reads what was there before has it still.
		p.buffer, p.lent = s.buffer(), false
		p.memory = append(p.buffer[:0], p.memory...)
	}
	p.memory = append(p.memory, b...) // a block fits into a buffer
	queued := p.queued
	p.queued = true
	p.mu.Unlock()
	if !queued {
		s.spooling.add(p)
	}
	return nothing
}

// open returns the spool file.
func (s *Store) open() (*os.File, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	s.mu.Lock()
	f := s.file
	s.mu.Unlock()
	if f != nil {
		return f, nil
	}
	f, err := s.Open()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.file = f // the block that it is opened for is in use until it is written
	s.mu.Unlock()
	return f, nil
}

// write writes what there is of a block.
func (p *spooled) write() {
	s := p.store
	f, err := s.open()
	for {
		p.mu.Lock()
		b, at := p.memory, p.off+int64(p.written)
		if len(b) == 0 || p.dropped || err != nil {
			p.queued = false
			p.failed = err != nil
			s.writing.Add(-int64(len(b)))
			if p.failed && !p.dropped {
				s.memory.Add(int64(len(b))) // it waits there, over the budget
			}
			free := p.dropped
			p.mu.Unlock()
			if free {
				s.freeBlock(p.off)
			}
			if err != nil {
				s.fault(err)
			}
			s.roomier()
			return
		}
		p.mu.Unlock()
		if _, err = f.WriteAt(b, at); err != nil {
			continue
		}
		p.mu.Lock()
		p.file = f
		p.written += len(b)
		if p.memory = p.memory[len(b):]; len(p.memory) == 0 {
			if !p.lent {
				s.freeBuffer(p.buffer)
			}
			p.memory, p.buffer = nil, nil
		}
		p.mu.Unlock()
		s.writing.Add(-int64(len(b)))
		s.well()
	}
}

// buffer is memory for a block that is to be written.
func (s *Store) buffer() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.buffers); n > 0 {
		b := s.buffers[n-1]
		s.buffers = s.buffers[:n-1]
		return b
	}
	return make([]byte, BlockSize)
}

// freeBuffer gives one back; nil: there is none.
func (s *Store) freeBuffer(b []byte) {
	if b == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used > 0 && len(s.buffers) < mostWriting/BlockSize {
		s.buffers = append(s.buffers, b)
	}
}

// well notes that the spool can be written.
func (s *Store) well() {
	s.mu.Lock()
	s.failed = false
	s.mu.Unlock()
	s.roomier()
}

// front is what lies between two places of the block, or some of it: in memory, or
// in the file.
func (p *spooled) front(from, to int) (b []byte, f *os.File, off, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if from >= p.written {
		p.lent = true
		return p.memory[from-p.written : to-p.written], nil, 0, 0
	}
	return nil, p.file, p.off + int64(from), int64(min(to, p.written) - from)
}

// drop gives the block back, once nobody writes to it any more.
func (p *spooled) drop() {
	p.mu.Lock()
	p.dropped = true
	busy := p.queued
	if p.failed {
		p.store.memory.Add(-int64(len(p.memory)))
	}
	p.mu.Unlock()
	if !busy {
		p.store.freeBlock(p.off)
	}
}
