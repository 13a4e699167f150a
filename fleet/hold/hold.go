// Package hold keeps signals of the daemon (TERM, INT, HUP, USR2) while it executes
// itself anew.
//
// Between two programs in one process nobody handles a signal: its default action
// would end the daemon with its apps undrained, and one that the old program has
// taken and not acted on is lost. The Go runtime does not help: it never leaves
// TERM, INT and HUP blocked in a thread of its own, and from its start until
// signal.Notify they end the process.
//
// So the old program blocks them in all its threads before exec, by a handler that
// each thread runs once (Shut). What comes then is pending; exec keeps that, and the
// mask of the thread that calls it. In the new program a constructor of the C
// library, which runs before the Go runtime, takes what is pending and what comes,
// and opens the mask again, so that no thread and no child ever inherits it. It
// gives its place to the runtime's handler when the daemon listens (Listening),
// with all that has come. Until then it keeps the runtime from taking it, by
// standing in for sigaction.
//
// None of this is at work in a program whose arguments do not have "run", nor in
// one that Listening was not called in and that does not call Shut.
package hold

// void hold_end(void);
// int hold_shut(void);
// void hold_open(void);
import "C"

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Listening is to be called once os/signal listens. What came before comes now.
func Listening() { C.hold_end() }

// Shut blocks the signals in all threads, so that they wait for the program that
// the caller executes next, on the same goroutine.
func Shut() {
	runtime.LockOSThread()
	C.hold_shut()
}

// Again sends signals again that have come before Shut and were not acted on.
func Again(came []os.Signal) {
	for _, sig := range came {
		if s, ok := sig.(unix.Signal); ok {
			_ = unix.Kill(os.Getpid(), s)
		}
	}
}

// Open ends Shut, where the exec has failed.
func Open() {
	C.hold_open()
	runtime.UnlockOSThread()
}
