package unread

import (
	"slices"
)

// write does the next that is to be done at the disk.
func (b *Body) write() {
	b.mu.Lock()
	f, off := b.file, b.written
	if b.closed {
		b.uncount()
		b.file = nil
		b.mu.Unlock()
		if f != nil {
			_ = f.Close()
			b.store.kept.Add(1)
		}
		return
	}
	p := b.todo[0].b[b.todo[0].from:b.todo[0].to]
	b.busy = true
	b.mu.Unlock()

	var err error
	if f == nil {
		if f, err = b.store.Open(); err == nil && b.memory.file != nil {
			err = b.memory.copyTo(f, off)
		}
	}
	if err == nil {
		_, err = f.WriteAt(p, off)
	}
	b.store.kept.Add(1)

	b.mu.Lock()
	b.busy = false
	b.steps++
	b.memory.drop(b.store)
	if f != nil {
		b.file = f
	}
	b.written += int64(len(p))
	first := &b.todo[0]
	if first.from += len(p); first.from == first.to && (!b.filling || len(b.todo) != 1) {
		b.free(*first)
		b.todo = slices.Delete(b.todo, 0, 1)
	}
	if err != nil && b.err == nil {
		b.err = err
		b.dropUnfilled()
	}
	if b.closed {
		b.dropChunks()
	}
	again := b.closed || b.err == nil && len(b.todo) > 0 && b.todo[0].from < b.todo[0].to
	b.queued = again
	wake := !b.closed && (b.err != nil || b.wants && (b.ended && !again || !b.ended && len(b.todo) <= mostPieces/2))
	if wake {
		b.wants = false
	}
	if again {
		b.store.keeping.add(b)
	}
	b.mu.Unlock()
	if wake {
		b.wake()
	}
}

// dropUnfilled gives up what is not written after an error, but for what is being
// filled. b.mu is held.
func (b *Body) dropUnfilled() {
	end := len(b.todo)
	if b.filling {
		end--
	}
	for _, c := range b.todo[:end] {
		b.free(c)
	}
	b.todo = slices.Delete(b.todo, 0, end)
}

// enqueue has a writer come if there is something to write. b.mu is held.
func (b *Body) enqueue() {
	if !b.queued && b.err == nil && len(b.todo) > 0 && b.todo[0].from < b.todo[0].to {
		b.queued = true
		b.store.keeping.add(b)
	}
}

// dropChunks gives up what is not written, but for what a writer is at. b.mu is held.
func (b *Body) dropChunks() {
	keep := 0
	if b.busy {
		keep = min(1, len(b.todo))
	}
	for _, c := range b.todo[keep:] {
		b.free(c)
	}
	b.todo = slices.Delete(b.todo, keep, len(b.todo))
}

func (b *Body) free(c chunk) {
	if c.given {
		b.store.given.Add(-int64(len(c.b)))
		b.store.Unclaim(int64(len(c.b)))
		return
	}
	b.store.giveBack(c.b)
	b.store.pieces.free()
}
