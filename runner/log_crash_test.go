package runner

import (
	"context"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A master that crashes says so where people look.
func TestACrashIsLogged(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	h := a.start(StateReady)
	if err := unix.Kill(h.PID, unix.SIGABRT); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if log := a.logText(); !strings.Contains(log, "SIGABRT: abort") || !strings.Contains(log, "goroutine ") {
		t.Errorf("the log says:\n%s", log)
	}
}
