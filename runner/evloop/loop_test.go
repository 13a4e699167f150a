package evloop

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// byteReader takes one byte from its descriptor and says so.
type byteReader struct {
	fd  int
	got func(b byte)
}

func (r *byteReader) OnEvents(uint32) {
	var b [1]byte
	if n, _ := Read(r.fd, b[:]); n == 1 {
		r.got(b[0])
	}
}

// All that comes to the loop runs on it, one after the other: descriptors, posted
// functions, timers in the order of their times, and the end of the turn.
func TestLoop(t *testing.T) {
	t.Run("alone", func(t *testing.T) { testLoop(t, nil) })
	t.Run("beside others that have work", func(t *testing.T) { testLoop(t, func() bool { return true }) })
	n := 0
	t.Run("beside others that have work now and then", func(t *testing.T) { testLoop(t, func() bool { n++; return n%3 == 0 }) })
}

func testLoop(t *testing.T, busy func() bool) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	l.Busy = busy
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	var said []string
	say := func(s string) { said = append(said, s) }
	first, second, never := Timer{Do: func() { say("first") }}, Timer{}, Timer{Do: func() { say("never") }}
	second.Do = func() {
		say("second")
		l.AtTurnEnd(l.Stop)
	}
	r := &byteReader{fd: p[0], got: func(b byte) {
		say("byte " + string(b))
		l.Set(&second, 20*time.Millisecond)
		l.Set(&first, 10*time.Millisecond)
		l.Set(&never, 15*time.Millisecond)
		l.Clear(&never)
		l.SetBy(&second, second.At()+int64(time.Hour)) // an earlier setting stays
	}}
	if err := l.Add(p[0], unix.EPOLLIN, r); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Run() }()
	if !l.Call(func() { say("called") }) {
		t.Fatal("the loop has ended")
	}
	if _, err := unix.Write(p[1], []byte("x")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not stop")
	}
	if want := []string{"called", "byte x", "first", "second"}; !slices.Equal(said, want) {
		t.Errorf("%q, want %q", said, want)
	}
	if first.IsSet() || second.IsSet() || never.IsSet() {
		t.Error("a timer that has fired is set")
	}
	if l.Call(func() {}) {
		t.Error("it still runs what is asked for")
	}
}

// A descriptor that was removed is not told of what waits for it.
func TestRemove(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	r := &byteReader{fd: p[0], got: func(byte) { t.Error("a removed descriptor is told of events") }}
	if err := l.Add(p[0], unix.EPOLLIN, r); err != nil {
		t.Fatal(err)
	}
	if !l.Owns(p[0], r) || l.Owns(p[1], r) || l.Owns(-1, r) {
		t.Error("it does not know whose the descriptors are")
	}
	if _, err := unix.Write(p[1], []byte("x")); err != nil {
		t.Fatal(err)
	}
	l.Remove(p[0])
	end := Timer{Do: l.Stop}
	l.Set(&end, 20*time.Millisecond)
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
}

// Where others had work and have none any more the loop waits by itself again: nobody else
// is told of its events.
func TestLoopAfterOthers(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	busy := true
	l.Busy = func() bool { return busy }
	ended := make(chan error, 1)
	go func() { ended <- l.Run() }()
	deadline := time.Now().Add(time.Minute)
	until := func(what string, parked bool) {
		t.Helper()
		for {
			var is bool
			l.Call(func() { is = l.parking != nil && (busy || !l.lull.long) })
			if is == parked {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	until("it does not share the processors with others that have work", true)
	l.Call(func() { busy = false })
	until("it goes on to wait as if others had work", false)
	l.Post(l.Stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// A loop that sleeps for long times leaves its thread to the runtime, and still fires its
// timers and hears of its descriptors.
func TestLoopInALull(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	p := make([]int, 2)
	if err := unix.Pipe2(p, unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	heard := 0
	if err := l.Add(p[0], unix.EPOLLIN, &byteReader{fd: p[0], got: func(byte) { heard++ }}); err != nil {
		t.Fatal(err)
	}
	parked, written := 0, 0
	again := Timer{}
	again.Do = func() {
		if l.parking != nil {
			parked++
		}
		if parked >= 20 && heard == written {
			l.Stop()
			return
		}
		if _, err := unix.Write(p[1], []byte("x")); err != nil {
			t.Error(err)
		}
		written++
		l.Set(&again, 3*time.Millisecond)
	}
	l.Set(&again, 0)
	over := Timer{Do: func() {
		t.Errorf("%d timers fired in a lull, %d of %d bytes were heard of", parked, heard, written)
		l.Stop()
	}}
	l.Set(&over, time.Minute)
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
}

func TestLull(t *testing.T) {
	u := lull{}
	for i, c := range []struct {
		slept time.Duration
		times int
		long  bool
	}{
		{30 * time.Microsecond, 1000, false}, // one connection, one request after the other
		{time.Second, 1, false},              // one pause
		{30 * time.Microsecond, 20, false},
		{5 * time.Millisecond, 20, true}, // some hundred requests a second
		{200 * time.Microsecond, 1000, true},
		{30 * time.Microsecond, 40, false}, // a burst
		{5 * time.Millisecond, 20, true},
		{0, 40, false}, // one that leaves no time to sleep
		{200 * time.Microsecond, 1000, false},
		{time.Hour, 5, true},
	} {
		for range c.times {
			u.note(int64(c.slept))
		}
		if u.long != c.long {
			t.Errorf("%d: after %d times %v it is %v", i, c.times, c.slept, u.long)
		}
	}
}
