package latch

import (
	"sync"
	"sync/atomic"
	"testing"
)

// Many enter while the latch is shut: who was counted is waited for, and the race
// detector has nothing to say.
func TestEnterBesideShut(t *testing.T) {
	for range 200 {
		var l Latch
		var within atomic.Int32
		var comers sync.WaitGroup
		for range 4 {
			comers.Go(func() {
				for l.Enter() {
					within.Add(1)
					within.Add(-1)
					l.Leave()
				}
			})
		}
		l.ShutAndWait()
		if n := within.Load(); n != 0 {
			t.Fatalf("%d are within after the wait", n)
		}
		comers.Wait()
		if l.Enter() {
			t.Fatal("a shut latch lets in")
		}
	}
}
