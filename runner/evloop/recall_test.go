package evloop

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// startBusy runs a loop; busy is its Busy.
func startBusy(t *testing.T, busy func() bool) *Loop {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	l.Busy = busy
	ended := make(chan error, 1)
	go func() { ended <- l.Run() }()
	t.Cleanup(func() {
		l.Post(l.Stop)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l
}

// TestWhatIsPostedToALoopThatWaitsIsDone, whether it waits by itself or where others have
// work, or is about to: each post is awaited before the next one, so that the loop waits
// between any two.
func TestWhatIsPostedToALoopThatWaitsIsDone(t *testing.T) {
	t.Parallel()
	var turns atomic.Int64
	for name, busy := range map[string]func() bool{
		"alone":                      nil,
		"beside others":              func() bool { return true },
		"beside others now and then": func() bool { return turns.Add(1)%3 == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startBusy(t, busy)
			var p [2]int
			if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { CloseAll(p[:]) })
			read := make(chan struct{}, 1)
			l.Call(func() {
				if err := l.Add(p[0], unix.EPOLLIN, &byteReader{fd: p[0], got: func(byte) { read <- struct{}{} }}); err != nil {
					t.Error(err)
				}
			})
			over := time.After(time.Minute)
			await := func(what string, done <-chan struct{}) bool {
				select {
				case <-done:
					return true
				case <-over:
					t.Error(what + " is not done")
					return false
				}
			}
			const each = 300
			n := 0 // the loop's
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range each {
						done := make(chan struct{})
						l.Post(func() { n++; close(done) })
						if !await("what was posted", done) {
							return
						}
					}
				})
			}
			all.Go(func() {
				for range each { // events go on to come
					if _, err := unix.Write(p[1], []byte("x")); err != nil {
						t.Error(err)
						return
					}
					if !await("what a descriptor tells", read) {
						return
					}
				}
			})
			all.Wait()
			l.Call(func() {
				if n != 4*each {
					t.Errorf("%d were done, want %d", n, 4*each)
				}
			})
		})
	}
}

// TestTimersAreKeptWhereALoopIsCalledBack: whoever calls it back ends its wait by a deadline,
// and the timers' own holds again after that.
func TestTimersAreKeptWhereALoopIsCalledBack(t *testing.T) {
	t.Parallel()
	l := startBusy(t, func() bool { return true })
	for range 50 {
		fired := make(chan int64, 1)
		var at int64
		timer := &Timer{}
		timer.Do = func() { fired <- l.Elapsed() }
		l.Call(func() {
			l.Set(timer, 5*time.Millisecond)
			at = timer.At()
		})
		l.Call(func() {}) // with the same timer set
		select {
		case now := <-fired:
			if now < at {
				t.Fatalf("it fires %v too soon", time.Duration(at-now))
			}
		case <-time.After(time.Minute):
			t.Fatal("a timer does not fire after the loop was called back")
		}
	}
	// And none is thought to be over that is not.
	var set bool
	timer := &Timer{Do: func() { t.Error("a timer of an hour fires") }}
	l.Call(func() { l.Set(timer, time.Hour) })
	for range 50 {
		l.Call(func() { set = timer.IsSet() })
	}
	if !set {
		t.Error("the timer is not set any more")
	}
	l.Call(func() { l.Clear(timer) })
}
