package unread

import (
	"fmt"
	"io"
	"os"
)

// smallPart is how many bytes may wait on the heap, before pieces of memory are
// mapped.
const smallPart = 8 << 10

// mostSpool is how many bytes of the spool one queue may have.
const mostSpool = 256 << 20

// Queue is what waits for one client. Its zero value with Store set is empty and
// ready; it is for one goroutine at a time.
type Queue struct {
	Store *Store

	parts   []part
	memory  int64  // bytes of the store's memory
	spooled int64  // bytes of its spool
	lack    lack   // there was no room, and there has been none since
	again   func() // see Await; nil: nobody waits
	listed  bool   // the store knows that, and calls it
}

// part is bytes on the heap, in a piece of memory or in a block of the spool, or a
// part of a file.
type part struct {
	kind   kind
	b      []byte   // heap, piece
	buffer []byte   // heap: the buffer of the store where b lies; nil: b is an allocation of its own
	from   int      // the first byte of b, or of the block, that is not taken
	to     int      // behind the last one; heap: len(b)
	off    int64    // file: where the rest begins
	n      int64    // file: bytes that are left
	file   *os.File // file
	disk   *spooled // block
}

// lack is what there is not enough of.
type lack uint8

const (
	nothing lack = iota
	disk         // time to write: there is room as soon as it has
	budget
)

type kind uint8

const (
	heap kind = iota
	piece
	block
	file
)

// Empty tells that nothing waits.
func (q *Queue) Empty() bool { return len(q.parts) == 0 }

// Add appends a copy of b. False: the budget is used up, or the disk does not keep up.
// Then b was kept all the same, and whoever makes more of it must wait until the queue
// is empty, or Await says so.
func (q *Queue) Add(b []byte) (room bool) {
	if q.lack != nothing && len(b) > 0 && !q.Room() {
		q.addOver(b) // behind the rest of its kind, see settle
		return false
	}
	room = true
	for len(b) > 0 {
		if n := q.fill(b); n > 0 {
			b = b[n:]
			continue
		}
		switch {
		case len(b) <= smallPart && q.memory+int64(len(b)) <= q.Store.share() && reserve(&q.Store.memory, int64(len(b)), q.Store.memoryMost.Load()):
			q.addHeap(b)
			return room
		case q.addPiece():
		default:
			n, why := q.addBlock(b)
			if n > 0 {
				b = b[n:]
				continue
			}
			q.setLack(max(why, q.lack))
			q.addOver(b)
			return false
		}
	}
	return room
}

// fill puts bytes where the last part has room; 0: it has none.
func (q *Queue) fill(b []byte) int {
	if len(q.parts) == 0 {
		return 0
	}
	p := &q.parts[len(q.parts)-1]
	switch p.kind {
	case heap:
		if len(p.b)+len(b) > smallPart || !reserve(&q.Store.memory, int64(len(b)), q.Store.memoryMost.Load()) {
			return 0
		}
		q.memory += int64(len(b))
		p.b = append(p.b, b...)
		p.to = len(p.b)
		return len(b)
	case piece:
		n := copy(p.b[p.to:], b)
		p.to += n
		return n
	case block:
		n := min(BlockSize-p.to, len(b))
		if n == 0 || p.disk.add(b[:n]) != nothing {
			return 0
		}
		p.to += n
		return n
	case file: // somebody else's
	}
	return 0
}

func (q *Queue) addHeap(b []byte) {
	q.memory += int64(len(b))
	q.parts = append(q.parts, part{kind: heap, b: append([]byte(nil), b...), to: len(b)})
}

// addOver keeps bytes for which there is no room. A disk that does not keep up has this
// happen again and again: memory for it is used again, too.
func (q *Queue) addOver(b []byte) {
	q.Store.memory.Add(int64(len(b)))
	for len(b) > smallPart {
		buffer := q.Store.buffer()
		n := copy(buffer, b)
		q.memory += int64(n)
		q.parts = append(q.parts, part{kind: heap, b: buffer[:n], buffer: buffer, to: n})
		b = b[n:]
	}
	if len(b) > 0 {
		q.addHeap(b)
	}
}

func (q *Queue) addPiece() bool {
	if q.memory+BlockSize > q.Store.share() {
		return false
	}
	b := q.Store.piece()
	if b == nil {
		return false
	}
	q.memory += BlockSize
	q.parts = append(q.parts, part{kind: piece, b: b})
	return true
}

// addBlock puts bytes into a block of their own; 0: there is none to be had, or the
// disk does not take them.
func (q *Queue) addBlock(b []byte) (n int, why lack) {
	if q.spooled+BlockSize > mostSpool {
		return 0, budget
	}
	place := q.Store.block()
	if place == nil {
		return 0, budget
	}
	n = min(BlockSize, len(b))
	if why = place.add(b[:n]); why != nothing {
		place.drop()
		return 0, why
	}
	q.spooled += BlockSize
	q.parts = append(q.parts, part{kind: block, disk: place, to: n})
	return n, nothing
}

// AddFile appends n bytes of a file, which is closed when they are taken.
func (q *Queue) AddFile(f *os.File, off, n int64) {
	q.parts = append(q.parts, part{kind: file, file: f, off: off, n: n})
}

// File is the part of a file of AddFile that comes next, and where; nil: bytes come
// next. The queue must not be empty.
func (q *Queue) File() (f *os.File, off, n int64) {
	if p := &q.parts[0]; p.kind == file {
		return p.file, p.off, p.n
	}
	return nil, 0, 0
}

// Front returns the bytes that come next, or some of them: b where they lie in
// memory, else n bytes of a file. They stay there until Take, whatever is added
// meanwhile. The queue must not be empty.
func (q *Queue) Front() (b []byte, f *os.File, off, n int64) {
	p := &q.parts[0]
	switch p.kind {
	case block:
		return p.disk.front(p.from, p.to)
	case file:
		return nil, p.file, p.off, p.n
	default:
		return p.b[p.from:p.to], nil, 0, 0
	}
}

// Peek is Front, with what lies in a file read into buf.
func (q *Queue) Peek(buf []byte) ([]byte, error) {
	b, f, off, n := q.Front()
	if f == nil {
		return b, nil
	}
	return ReadPart(buf, f, off, n)
}

// ReadPart reads bytes that Front found in a file, or some of them, into buf, which
// must not be empty.
func ReadPart(buf []byte, f *os.File, off, n int64) ([]byte, error) {
	k, err := f.ReadAt(buf[:min(int64(len(buf)), n)], off)
	switch {
	case k > 0:
		return buf[:k], nil
	case err == nil || err == io.EOF:
		return nil, io.ErrUnexpectedEOF // it was cut meanwhile
	}
	return nil, fmt.Errorf("cannot read a file for a response: %w", err)
}

// Take drops n bytes of what Peek returned, or of File.
func (q *Queue) Take(n int64) {
	p := &q.parts[0]
	if p.kind == file {
		p.off += n
		if p.n -= n; p.n > 0 {
			return
		}
	} else if p.from += int(n); p.from < p.to {
		return
	}
	q.drop()
}

// drop takes the first part off.
func (q *Queue) drop() {
	p := &q.parts[0]
	switch p.kind {
	case heap:
		q.memory -= int64(len(p.b))
		q.Store.Unclaim(int64(len(p.b)))
		q.Store.freeBuffer(p.buffer)
	case piece:
		q.memory -= BlockSize
		q.Store.freePiece(p.b)
	case block:
		q.spooled -= BlockSize
		p.disk.drop()
	case file:
		_ = p.file.Close()
	}
	*p = part{}
	if q.parts = q.parts[1:]; len(q.parts) == 0 {
		q.parts = nil
		q.awaitNoMore()
		return
	}
	if q.again != nil && !q.listed {
		q.list() // it may have been too long itself
	}
}

// Close drops all.
func (q *Queue) Close() {
	for len(q.parts) > 0 {
		q.drop()
	}
}
