package child

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

type asideKey struct{}

// aside is the thread that Aside has made.
type aside struct {
	tid   int
	umask bool // it has one of its own, which is that of what it starts
}

// commandUmask is of all that a deploy starts, whatever whoever started us had.
const commandUmask = 0o022

// Aside runs f on a thread of its own, which stands back as the commands of ctx do
// (Nicer): what this process does itself for a deploy leaves the CPU to what serves
// too, and what f starts does from its first moment. ctx of f is for f alone. What is
// to serve is not started from there: it would stand back for ever.
func Aside(ctx context.Context, f func(ctx context.Context)) {
	by := niceOf(ctx)
	if by <= 0 {
		f(ctx)
		return
	}
	elsewhere(func() {
		// The thread ends with this goroutine: nothing else ever runs on it.
		runtime.LockOSThread()
		tid := unix.Gettid()
		if tid == unix.Getpid() {
			// The main thread does not end, and is what others see of this process. While
			// this goroutine has it, the next one has another.
			defer runtime.UnlockOSThread()
			Aside(ctx, f)
			return
		}
		if !standBackThread(tid, by) {
			runtime.UnlockOSThread()
			f(ctx)
			return
		}
		// The umask is the process's as long as its threads share it. Some sandboxes do
		// without that call.
		alone := unix.Unshare(unix.CLONE_FS) == nil
		if alone {
			unix.Umask(commandUmask)
		}
		f(context.WithValue(ctx, asideKey{}, aside{tid: tid, umask: alone}))
	})
}

// Front runs f, for whom ctx is, as this process runs where it does not stand back.
func Front(ctx context.Context, f func()) {
	if !isAside(ctx) {
		f()
		return
	}
	elsewhere(f)
}

// asideOf is the thread that Aside has made for ctx, where this goroutine runs on it.
func asideOf(ctx context.Context) (aside, bool) {
	on, ok := ctx.Value(asideKey{}).(aside)
	return on, ok && on.tid == unix.Gettid()
}

func isAside(ctx context.Context) bool {
	_, is := asideOf(ctx)
	return is
}

// elsewhere runs f in a goroutine and waits for it. Who calls has its panic as if it
// were its own, and may outlive it.
func elsewhere(f func()) {
	var failed any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				failed = fmt.Sprintf("%v\n%s", p, debug.Stack())
			}
		}()
		f()
	}()
	<-done
	if failed != nil {
		panic(failed)
	}
}
