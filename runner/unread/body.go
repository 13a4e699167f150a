package unread

import (
	"errors"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

var (
	// ErrFull is the error of a Body where other bodies have all the room.
	ErrFull = errors.New("request.spool is full with the bodies of other requests; raise it, or lower request.max_body")
	// ErrSlow is the error of Body.Give where too much waits for the disk.
	ErrSlow = errors.New("the disk of the folder for temporary files is too slow: bodies that wait for it fill request.response_buffer")
	// ErrStalled is for whoever has waited for a body long enough.
	ErrStalled = errors.New("the disk of the folder for temporary files does not answer")
)

// mostPieces is how many pieces of memory one body may have, of bytes that are on
// their way to the disk. All bodies together have mostWriting.
const mostPieces = 4

// Body is a file for a request's body that is too long for memory. All bodies of a
// Store together have as many bytes as its spool may have, and apart from it: slow
// readers keep nobody from sending a request, nor the other way round. One that is
// alone always has room.
//
// One that is short waits in memory, see mostInMemory. A file on a disk is opened,
// written and closed by goroutines of the store. Whoever reads a body
// for it asks for Space, puts bytes there and says so by Filled, then Complete. Where
// these have to wait they say so, and wake is called when it is worth to ask again, or
// when the disk has failed. They are for one goroutine at a time.
type Body struct {
	store *Store
	wake  func()        // called by goroutines of the store, some of which hold locks of ours
	woken chan struct{} // where Write waits; nil: somebody else's wake is called

	mu      sync.Mutex
	memory  memory   // guarded by mu, but for a writer that is busy
	file    *os.File // guarded by mu: on the disk; nil: not yet opened
	todo    []chunk  // guarded by mu: what is not written, in order
	written int64    // guarded by mu: bytes in the file, or in memory
	counted int64    // guarded by mu: bytes of the room of all bodies
	steps   int64    // guarded by mu: calls to the disk that have ended
	seen    int64    // guarded by mu: see Await
	filling bool     // guarded by mu: bytes are being put behind the last chunk
	queued  bool     // guarded by mu: a writer has it, or will
	busy    bool     // guarded by mu: a writer is at the disk with it, and its first chunk
	wants   bool     // guarded by mu: wake is to be called
	waiting bool     // guarded by mu: the store has it among those who wait for a piece
	ended   bool     // guarded by mu: no more is put into it
	closed  bool     // guarded by mu
	err     error    // guarded by mu: of the disk
}

// chunk is bytes that wait to be written.
type chunk struct {
	b        []byte
	from, to int  // of b
	given    bool // b is no piece of the store's
}

// NewBody is a body of a size; -1: it is not known. wake is called by other goroutines,
// see Body, and must not block; nil: there are Write and Finish, which wait.
func (s *Store) NewBody(size int64, wake func()) *Body {
	b := &Body{store: s, wake: wake}
	if wake == nil {
		b.woken = make(chan struct{}, 1)
		b.wake = func() {
			select {
			case b.woken <- struct{}{}:
			default:
			}
		}
	}
	if size <= mostInMemory {
		b.memory.open(s)
	}
	return b
}

// ForeignBody is a body that somebody else has written, such as mongrel2: it is not
// counted.
func (s *Store) ForeignBody(f *os.File) *Body {
	if f == nil {
		return nil
	}
	return &Body{store: s, file: f, ended: true}
}

// Bodies is how many bytes request bodies have.
func (s *Store) Bodies() int64 { return s.bodies.Load() }

// Fd is the file's descriptor, once the body is complete.
func (b *Body) Fd() uintptr { return b.complete().Fd() }

// ReadAt reads a body that is complete.
func (b *Body) ReadAt(p []byte, off int64) (int, error) { return b.complete().ReadAt(p, off) }

func (b *Body) complete() *os.File {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.memory.used() {
		return b.memory.file
	}
	return b.file
}

// Space returns memory for the next bytes of the body; then comes Filled. nil without
// an error: there is none before wake is called.
func (b *Body) Space() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return nil, b.err
	}
	if b.memory.used() {
		if p := b.spaceInMemory(); p != nil {
			return p, nil
		}
		b.memory.moving = true
	}
	n := len(b.todo)
	if n > 0 && !b.todo[n-1].given && b.todo[n-1].to < BlockSize {
		b.filling, b.wants = true, false
		b.waitNoMore()
		return b.todo[n-1].b[b.todo[n-1].to:], nil
	}
	b.wants = true
	if n >= mostPieces {
		return nil, nil
	}
	if b.waiting = !b.store.pieces.claim(b); b.waiting {
		return nil, nil
	}
	p := b.store.take()
	if p == nil {
		b.store.pieces.free()
		b.err = os.NewSyscallError("mmap", unix.ENOMEM)
		return nil, b.err
	}
	b.todo = append(b.todo, chunk{b: p})
	b.filling, b.wants = true, false
	return p, nil
}

// Filled tells that the first n bytes of Space are bytes of the body, or with 0 that
// none have come.
func (b *Body) Filled(n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.memory.scratch != nil {
		return b.filledInMemory(n)
	}
	if b.closed || len(b.todo) == 0 {
		return b.err
	}
	b.filling = false
	last := &b.todo[len(b.todo)-1]
	err := b.err
	if err == nil {
		if err = b.count(n); err == nil {
			last.to += n
		}
	}
	if last.from == last.to {
		b.free(*last)
		b.todo = slices.Delete(b.todo, len(b.todo)-1, len(b.todo))
	}
	b.enqueue()
	return err
}

// Give takes bytes that exist already, and must not be changed from here on. They are
// of the budget for memory until they are written. The error is ErrSlow where there is
// not enough of it.
func (b *Body) Give(p []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	n := int64(len(p))
	if b.memory.used() {
		if b.memory.take(b.store, b.written, n) {
			return b.addInMemory(p)
		}
		b.memory.moving = true
	}
	if !b.store.Claim(n, b.store.given.Load() == 0) {
		return ErrSlow
	}
	if err := b.count(len(p)); err != nil {
		b.store.Unclaim(n)
		return err
	}
	b.store.given.Add(n)
	b.todo = append(b.todo, chunk{b: p, to: len(p), given: true})
	b.enqueue()
	return nil
}

// Complete tells that the body ends here, and whether all of it is in the file; false
// without an error: wake will be called.
func (b *Body) Complete() (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.waitNoMore()
	if b.err != nil {
		return false, b.err
	}
	if b.wants = b.queued; b.wants {
		return false, nil
	}
	if b.file == nil {
		b.memory.moving = false // nothing came after all
	}
	return true, nil
}

// Err is what the disk has said, if it is nothing good.
func (b *Body) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Await begins to look whether the disk does something.
func (b *Body) Await() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = b.done()
}

// Stuck tells that it has done nothing since Await.
func (b *Body) Stuck() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen == b.done()
}

// done counts what the disk has done for the body, or for those that it waits for.
// b.mu is held.
func (b *Body) done() int64 {
	if b.busy {
		return b.steps
	}
	return b.store.kept.Load()
}

// Close gives the body up. Its room is others' at once, as the next request may come
// right behind the answer to this one; what a writer is at has it until that is done.
// The file is closed by a writer: a large one takes its time.
func (b *Body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed, b.wants, b.filling = true, false, false
	b.waitNoMore()
	b.dropChunks()
	if !b.busy {
		b.memory.drop(b.store)
		b.uncount()
	}
	if b.queued && !b.busy && b.file == nil && b.store.keeping.remove(b) {
		b.queued = false
	}
	if b.file == nil && !b.queued {
		return nil
	}
	if !b.queued {
		b.queued = true
		b.store.keeping.add(b)
	}
	return nil
}

// count takes room for n bytes. b.mu is held.
func (b *Body) count(n int) error {
	s := b.store
	if !reserve(&s.bodies, int64(n), s.maxSpool.Load()) {
		if s.bodies.Load() > b.counted {
			return ErrFull
		}
		s.bodies.Add(int64(n))
	}
	b.counted += int64(n)
	return nil
}

// uncount gives the room back. b.mu is held.
func (b *Body) uncount() {
	b.store.bodies.Add(-b.counted)
	b.counted = 0
}

// waitNoMore: it needs no piece of memory now. b.mu is held.
func (b *Body) waitNoMore() {
	if b.waiting {
		b.waiting = false
		b.store.pieces.forget(b)
	}
}
