package reconcile

import (
	"context"
	"runtime"
	"time"
)

// Slots bounds how many apps are worked on at a time.
type Slots chan struct{}

// NewSlots are two for each processor.
func NewSlots() Slots { return make(Slots, 2*runtime.NumCPU()) }

// Take waits for a free one.
func (s Slots) Take() { s <- struct{}{} }

// Give gives it back.
func (s Slots) Give() { <-s }

// Idle gives the slot away while wait waits.
func (s Slots) Idle(wait func()) {
	s.Give()
	defer s.Take()
	wait()
}

// Pause waits for a while, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
