package wsgi

import (
	"fmt"
	"strings"
)

// Types of messages, see the package documentation.
const (
	MsgInit     = 'I'
	MsgRequest  = 'r'
	MsgRequests = 's'
	MsgBody     = 'b'
	MsgQuit     = 'q'
	MsgFork     = 'p' // and the template's answer to it

	MsgReady  = 'k'
	MsgFailed = 'x'
	MsgHead   = 'h'
	MsgData   = 'd'
	MsgFile   = 'f'
	MsgEnd    = 'e'
	MsgAbort  = 'a'
	MsgExited = 'w'
	MsgNudge  = 'n'
	MsgWanted = 'c'
)

// Flags of a message's header.
const (
	FlagEnd      = 1 << 0 // from the worker: nothing follows
	FlagBodyFile = 1 << 1 // to the worker: the body follows as a descriptor
	// FlagBodyStream, with FlagBodyFile: that is a pipe, see MsgWanted.
	FlagBodyStream = 1 << 2
	// FlagBodyPipes, with FlagBodyFile: they are pipes, which have all of the body.
	FlagBodyPipes = 1 << 3
)

const (
	// HeaderSize is the length of a message's header in bytes.
	HeaderSize = 8
	// MaxMessage bounds a message; both sides may use a buffer of this size.
	MaxMessage = 160 << 10
	// RingState is where the ring's state is in the shared memory.
	RingState = 4096
	// RingData is where its messages are.
	RingData = 8192
	// RingSize is how many bytes of them there are.
	RingSize = 32 << 10
	// ThreadIDs is where the worker notes which thread serves a slot, a uint32 for each.
	ThreadIDs = RingData + RingSize
	// NoThread in the place of the first slot: none may be asked for its stack.
	NoThread = 1<<32 - 1
	// StackData is where the handler of SIGURG writes the stack of a thread.
	StackData = ThreadIDs + 4096
	// StackSize is how many bytes of it there can be.
	StackSize = 60 << 10
	// SharedSize is the length of the shared memory.
	SharedSize = StackData + StackSize
	// MaxInlineBody is the size in bytes past which a request body goes by
	// descriptor.
	MaxInlineBody = 64 << 10
)

// Ready is the payload of MsgReady.
type Ready struct {
	Loader   string  `json:"loader"`    // the loader that found the application
	App      string  `json:"app"`       // what was loaded: "blog.wsgi:application"
	Settings string  `json:"settings"`  // Django's settings module, if any
	Python   string  `json:"python"`    // "3.11.2"
	ImportMS float64 `json:"import_ms"` // time spent in loading the application
	// Host is a name that the application lets itself be called by, where it does
	// not answer to localhost; empty: not known, or it does.
	Host     string   `json:"host,omitempty"`
	Warnings []string `json:"warnings,omitempty"` // plugins that failed, and the like
	// Filters tells that request filters run: the environ of a mongrel2 request
	// then holds "wsgid.m2message", the tuple (server id, client id, path, dict of
	// headers, body).
	Filters bool `json:"filters,omitempty"`
}

// Forked is the payload of the template's MsgFork.
type Forked struct {
	PID   int    `json:"pid"`
	Error string `json:"error,omitempty"` // no worker was started
	// Shares tells that Error is what workers would share, see Failure.
	Shares bool   `json:"shares,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

// Exited is the payload of MsgExited.
type Exited struct {
	PID    int `json:"pid"`
	Code   int `json:"code"`   // exit status, where no signal ended it
	Signal int `json:"signal"` // 0: none
	// Stopped tells that it has not ended: a signal has stopped it.
	Stopped bool `json:"stopped,omitempty"`
}

// Failure is the payload of MsgFailed.
type Failure struct {
	Reason    string `json:"reason"`    // one line: "ModuleNotFoundError: No module named 'blog'"
	File      string `json:"file"`      // where it was raised, if known
	Line      int    `json:"line"`      // 0: not known
	Traceback string `json:"traceback"` // as Python prints it
	Hint      string `json:"hint"`      // what to do next, if the host knows
	// Shares tells that the application is loaded and well, but must not be forked:
	// Reason names what it has open that its workers would share.
	Shares bool `json:"shares,omitempty"`
	// Plain tells that a worker that was forked could not become one: it is to be
	// started by itself.
	Plain bool `json:"plain,omitempty"`
}

// Summary is the reason with its place, on one line.
func (f *Failure) Summary() string {
	switch {
	case f.File != "" && f.Line > 0:
		return fmt.Sprintf("%s (%s, line %d)", f.Reason, f.File, f.Line)
	case f.File != "":
		return f.Reason + " (" + f.File + ")"
	}
	return f.Reason
}

// Details is what to read after Reason: the traceback, or else the place, and
// the hint, one line each; empty where none is known.
func (f *Failure) Details() string {
	var lines []string
	switch {
	case f.Traceback != "":
		lines = append(lines, strings.TrimRight(f.Traceback, "\n"))
	case f.File != "" && f.Line > 0:
		lines = append(lines, fmt.Sprintf("  File %q, line %d", f.File, f.Line))
	case f.File != "":
		lines = append(lines, fmt.Sprintf("  File %q", f.File))
	}
	if f.Hint != "" {
		lines = append(lines, f.Hint)
	}
	return strings.Join(lines, "\n")
}
