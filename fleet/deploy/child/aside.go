package child

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

type asideKey struct{}

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
		f(context.WithValue(ctx, asideKey{}, tid))
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

// isAside tells whether this goroutine runs on the thread that Aside has made for ctx.
func isAside(ctx context.Context) bool {
	tid, ok := ctx.Value(asideKey{}).(int)
	return ok && tid == unix.Gettid()
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
