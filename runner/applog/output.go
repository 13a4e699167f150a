package applog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	// maxOutputLine is the longest line of output that is kept whole, in bytes.
	maxOutputLine = 64 << 10
	// maxTrace bounds a traceback that is kept together, in bytes.
	maxTrace = 256 << 10
	// tracePause is how long the rest of a traceback is waited for.
	tracePause = 200 * time.Millisecond
)

// Follow copies a worker's output into the log, line by line and a traceback as
// one, until the worker and all its children have closed it. It returns the last line
// that is not blank, as a message may repeat it: without secrets and what a terminal
// would obey, and cut where it is long; empty if there was none.
func (l *Log) Follow(r *os.File, pid int) (last string) { return l.FollowNamed(r, pid, "") }

// FollowNamed is Follow for a process that is no worker and has a name.
func (l *Log) FollowNamed(r *os.File, pid int, name string) (last string) {
	if l.following.Enter() {
		defer l.following.Leave()
	}
	defer r.Close()
	br := bufio.NewReaderSize(r, 4096)
	var trace tracer
	put := func(text []byte, at time.Time) {
		if text != nil {
			l.putPatient(&entry{kind: kindOutput, at: at, level: "OUTPUT", pid: pid, name: name, text: text})
		}
	}
	var began time.Time // of the traceback that is held back
	var kept lastLine
	line := func(b []byte) {
		kept.add(l, b)
		was, now := trace.open(), time.Now()
		held, text := trace.add(b)
		put(held, began)
		put(text, now)
		if !was || held != nil {
			began = now
		}
	}
	var partial []byte
	for {
		deadline := time.Time{}
		if trace.open() {
			deadline = time.Now().Add(tracePause)
		}
		_ = r.SetReadDeadline(deadline)
		chunk, err := br.ReadSlice('\n')
		partial = append(partial, chunk...)
		switch {
		case err == nil:
			line(bytes.TrimSuffix(partial[:len(partial)-1], []byte{'\r'}))
			partial = partial[:0]
		case len(partial) >= maxOutputLine:
			line(partial)
			partial = partial[:0]
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, os.ErrDeadlineExceeded):
			put(trace.take(), began)
		default:
			if len(partial) > 0 {
				line(partial)
			}
			put(trace.take(), began)
			if err != io.EOF {
				who := "worker"
				if name != "" {
					who = name + ", process"
				}
				l.Warn(fmt.Sprintf("cannot read the output of %s %d: %v", who, pid, err))
			}
			return kept.text(l)
		}
	}
}

// tracer finds the lines that make up a Python traceback, or the stacks that
// faulthandler writes, in a stream of lines.
type tracer struct {
	held  []byte
	state traceState
}

type traceState uint8

const (
	traceNone  traceState = iota
	traceStack            // in the indented lines
	traceEnd              // the line with the exception has come; another traceback may follow
	traceFatal            // in faulthandler's report
)

var (
	traceOpeners = [][]byte{[]byte("Traceback (most recent call last):"), []byte("  + Exception Group Traceback (most recent call last):")}
	fatalOpeners = [][]byte{[]byte("Fatal Python error: "), []byte("Current thread 0x"), []byte("Thread 0x"), []byte("Stack (most recent call first):")}
	traceChains  = [][]byte{[]byte("During handling of the above exception, another exception occurred:"),
		[]byte("The above exception was the direct cause of the following exception:")}
	fatalParts = [][]byte{[]byte("Python runtime state: "), []byte("Extension modules: ")}
)

func startsWith(b []byte, words [][]byte) bool {
	for _, w := range words {
		if bytes.HasPrefix(b, w) {
			return true
		}
	}
	return false
}

// isTrace tells whether text begins as a traceback does.
func isTrace(text []byte) bool {
	return startsWith(text, traceOpeners) || startsWith(text, fatalOpeners)
}

// open tells that a traceback may not be complete.
func (t *tracer) open() bool { return t.state != traceNone }

// take returns what was held back, nil if that is nothing.
func (t *tracer) take() []byte {
	b := t.held
	t.held, t.state = nil, traceNone
	return b
}

// add takes a line. It returns a traceback that is now complete, and the line
// itself where it is part of none; the line is copied.
func (t *tracer) add(line []byte) (held, now []byte) {
	if t.state != traceNone && !t.belongs(line) {
		held = t.take()
	}
	switch {
	case t.state != traceNone:
	case startsWith(line, traceOpeners):
		t.state = traceStack
	case startsWith(line, fatalOpeners):
		t.state = traceFatal
	default:
		return held, append([]byte{}, line...)
	}
	t.held = append(append(t.held, line...), '\n')
	if len(t.held) > maxTrace {
		return held, t.take()
	}
	return held, nil
}

// belongs tells whether a line goes on with what is held, and moves the state.
func (t *tracer) belongs(line []byte) bool {
	blank := len(line) == 0
	indented := !blank && (line[0] == ' ' || line[0] == '\t')
	switch t.state {
	case traceStack:
		if !blank && !indented && !startsWith(line, traceOpeners) && !startsWith(line, traceChains) {
			t.state = traceEnd
		}
		return true
	case traceEnd:
		if startsWith(line, traceOpeners) || startsWith(line, traceChains) {
			t.state = traceStack
			return true
		}
		return blank
	case traceFatal:
		return blank || indented || startsWith(line, fatalOpeners) || startsWith(line, fatalParts)
	case traceNone:
	}
	return false
}
