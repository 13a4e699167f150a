package await_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// failing is a test that notes with what it failed.
type failing struct {
	testing.TB
	with string
}

func (f *failing) Helper() {}

func (f *failing) Fatal(args ...any) {
	f.with = fmt.Sprint(args...)
	runtime.Goexit()
}

func (f *failing) Fatalf(format string, args ...any) { f.Fatal(fmt.Sprintf(format, args...)) }

// TestCPUTime: what sleeps takes none, what works takes some.
func TestCPUTime(t *testing.T) {
	if d := await.CPUTime(t, func() { <-time.After(300 * time.Millisecond) }); d > 150*time.Millisecond {
		t.Errorf("a sleep takes %v", d)
	}
	if d := await.CPUTime(t, func() {
		for range 1_000_000 {
			_ = time.Now()
		}
	}); d == 0 {
		t.Error("a million looks at the clock take none")
	}
}

func TestSaysWhatWasSeenLast(t *testing.T) {
	const limit = 20 * time.Millisecond
	looks := 0
	for want, do := range map[string]func(t testing.TB){
		"": func(t testing.TB) { await.True(t, "three looks", func() bool { looks++; return looks == 3 }) },
		"waited 20ms for a miracle": func(t testing.TB) {
			await.TrueIn(t, limit, "a miracle", func() bool { return false })
		},
		"waited 20ms for four workers; seen last: 3 workers": func(t testing.TB) {
			n := 0
			await.TrueIn(t, limit, "four workers", func() bool { n = 3; return false }, func() any { return fmt.Sprint(n, " workers") })
		},
		"waited 20ms for an answer; seen last: refused": func(t testing.TB) {
			await.Nil(t, limit, "an answer", func() error { return errors.New("refused") })
		},
	} {
		f := &failing{TB: t}
		done := make(chan struct{})
		go func() { defer close(done); do(f) }()
		if <-done; f.with != want {
			t.Errorf("%q, want %q", f.with, want)
		}
	}
}
