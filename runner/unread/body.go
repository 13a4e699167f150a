package unread

import (
	"errors"
	"os"
)

// ErrFull is the error of Body.Write where other bodies have all the room.
var ErrFull = errors.New("request.spool is used up by the bodies of other requests; raise it, or lower request.max_body")

// Body is a file for a request's body that is too long for memory. All bodies of a
// Store together have as many bytes as its spool may have, and apart from it: slow
// readers keep nobody from sending a request, nor the other way round. One that is
// alone always has room.
type Body struct {
	*os.File
	store *Store
	n     int64
}

// NewBody takes a file for a body.
func (s *Store) NewBody(f *os.File) *Body { return &Body{File: f, store: s} }

// ForeignBody is a body that somebody else keeps, such as mongrel2: it is not counted.
func ForeignBody(f *os.File) *Body {
	if f == nil {
		return nil
	}
	return &Body{File: f}
}

// Bodies is how many bytes request bodies have.
func (s *Store) Bodies() int64 { return s.bodies.Load() }

// Write adds to the body. The error is ErrFull where there is no room.
func (b *Body) Write(p []byte) (int, error) {
	n := int64(len(p))
	if b.store != nil {
		if !reserve(&b.store.bodies, n, b.store.spoolMost.Load()) {
			if b.store.bodies.Load() > b.n {
				return 0, ErrFull
			}
			b.store.bodies.Add(n)
		}
		b.n += n
	}
	return b.File.Write(p)
}

// Close closes the file and gives its room back.
func (b *Body) Close() error {
	if b.store != nil {
		b.store.bodies.Add(-b.n)
		b.n = 0
	}
	return b.File.Close()
}
