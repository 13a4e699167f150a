package unread

import "time"

// Write adds to a body without a wake of its own, and waits for the disk where it
// must. For patience see Finish.
func (b *Body) Write(p []byte, patience time.Duration) error {
	for len(p) > 0 {
		space, err := b.Space()
		switch {
		case err != nil:
			return err
		case space == nil:
			if err := b.wait(patience); err != nil {
				return err
			}
		default:
			n := copy(space, p)
			if err := b.Filled(n); err != nil {
				return err
			}
			p = p[n:]
		}
	}
	return nil
}

// Finish waits until all of the body is in its file. The error is ErrStalled where the
// disk takes nothing for as long as patience; 0: it may take as long as it likes.
func (b *Body) Finish(patience time.Duration) error {
	for {
		if done, err := b.Complete(); done || err != nil {
			return err
		}
		if err := b.wait(patience); err != nil {
			return err
		}
	}
}

// wait waits for wake.
func (b *Body) wait(patience time.Duration) error {
	var late <-chan time.Time
	if patience > 0 {
		t := time.NewTicker(patience)
		defer t.Stop()
		late = t.C
	}
	for b.Await(); ; b.Await() {
		select {
		case <-b.woken:
			return nil
		case <-late:
			if b.Stuck() {
				return ErrStalled
			}
		}
	}
}
