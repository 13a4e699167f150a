package unread

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// mostInMemory is the size up to which a body waits for its worker in memory, where
// there is some to be had: for more than that it does not matter that goroutines of
// the store write it, whom somebody has to wait for.
const mostInMemory = 12 * BlockSize

// memory is where a body lies first: a file that is on no disk. It is of the budget of
// the store, of which bodies may have a quarter.
type memory struct {
	file    *os.File // nil: there is none
	room    int64    // bytes of the budget that it has
	scratch []byte   // what Space returns; nil: nothing is being filled
	moving  bool     // there is no more room: a writer copies it to the disk
}

// open makes the file. Where it cannot the body goes to the disk at once.
func (m *memory) open(s *Store) {
	fd, err := unix.MemfdCreate("wsgid-body", unix.MFD_CLOEXEC)
	if err != nil {
		return
	}
	if s.Kept != nil && s.Kept(fd) {
		_ = unix.Close(fd)
		return
	}
	m.file = os.NewFile(uintptr(fd), "body")
}

// used tells that the body is here, all of it that there is.
func (m *memory) used() bool { return m.file != nil && !m.moving }

// take makes room for some bytes behind the first n; false: there is none.
func (m *memory) take(s *Store, n, some int64) bool {
	more := (n + some - m.room + BlockSize - 1) / BlockSize * BlockSize
	if more <= 0 {
		return true
	}
	if m.room+more > mostInMemory || !reserve(&s.inMemory, more, s.memoryMost.Load()/4) {
		return false
	}
	if !s.Claim(more, false) {
		s.inMemory.Add(-more)
		return false
	}
	m.room += more
	return true
}

// copyTo writes the first n bytes to a file.
func (m *memory) copyTo(f *os.File, n int64) error {
	_, err := io.Copy(io.NewOffsetWriter(f, 0), io.NewSectionReader(m.file, 0, n))
	return err
}

// drop gives all of it back.
func (m *memory) drop(s *Store) {
	if m.file == nil {
		return
	}
	if m.scratch != nil {
		s.giveBack(m.scratch)
	}
	_ = m.file.Close()
	s.inMemory.Add(-m.room)
	s.Unclaim(m.room)
	*m = memory{}
}

// spaceInMemory is Space while the body is in memory; nil: there is no more room.
// b.mu is held.
func (b *Body) spaceInMemory() []byte {
	m := &b.memory
	if !m.take(b.store, b.written, 1) {
		return nil
	}
	if m.scratch == nil {
		if m.scratch = b.store.take(); m.scratch == nil {
			return nil
		}
	}
	b.filling, b.wants = true, false
	return m.scratch[:min(m.room-b.written, BlockSize)]
}

// filledInMemory is the same for Filled. b.mu is held.
func (b *Body) filledInMemory(n int) error {
	p := b.memory.scratch
	b.memory.scratch, b.filling = nil, false
	err := b.addInMemory(p[:n])
	b.store.giveBack(p)
	return err
}

// addInMemory appends bytes that there is room for. b.mu is held.
func (b *Body) addInMemory(p []byte) error {
	if err := b.count(len(p)); err != nil || len(p) == 0 {
		return err
	}
	if _, err := b.memory.file.WriteAt(p, b.written); err != nil {
		b.err = err
		return err
	}
	b.written += int64(len(p))
	return nil
}
