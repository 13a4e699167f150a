package pool

import (
	"cmp"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// wordsPatience is how long the end of a process's output is waited for once the
// process has ended: a child of it may hold it open for ever.
const wordsPatience = 300 * time.Millisecond

// wordsMost is how long what it has written is waited for that nobody has read yet: a
// machine may be busy, and a disk hold the log up. Tests have another one.
var wordsMost = 3 * time.Second

// LastWords is the last line that a process has printed. It is known when its output
// has come to its end, which is soon after the process has ended, or before. It
// belongs to the loop.
type LastWords struct {
	known bool
	line  string
	then  func()
	late  evloop.Timer
	until int64           // of the loop's clock: it is waited for no longer
	end   syscall.RawConn // of the output, which we read; nil: there is none
}

// hear is told of the line, at the end of the output.
func (l *LastWords) hear(loop *evloop.Loop, line string) {
	l.known, l.line = true, line
	l.goOn(loop)
}

// Await calls then as soon as the line is known, which may be before it returns, or
// when it has been waited for for long enough.
func (l *LastWords) Await(loop *evloop.Loop, then func()) {
	if l.known {
		then()
		return
	}
	l.then, l.until = then, loop.Now()+int64(wordsMost)
	l.late.Do = func() {
		if l.unread() && loop.Now() < l.until {
			loop.Set(&l.late, wordsPatience/10)
			return
		}
		l.known = true
		l.goOn(loop)
	}
	loop.Set(&l.late, wordsPatience)
}

// unread tells whether there is output, or its end, that who follows it has not come to.
func (l *LastWords) unread() bool {
	if l.end == nil {
		return false
	}
	is := true // who has closed it tells in a moment what it was
	_ = l.end.Control(func(fd uintptr) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		is = err != nil || n > 0
	})
	return is
}

func (l *LastWords) goOn(loop *evloop.Loop) {
	loop.Clear(&l.late)
	if then := l.then; then != nil {
		l.then = nil
		then()
	}
}

// How says how a process ended, and with which words where these may be the reason.
func (l *LastWords) How(ws unix.WaitStatus) string {
	text := ExitText(ws)
	if l.line == "" || ws.Signaled() && ws.Signal() == unix.SIGKILL {
		return text // nobody sees SIGKILL coming
	}
	return text + "; last output: " + l.line
}

// Explain writes how a process ended behind the text that begins so, and what it said last
// as soon as that is known, unless something else stands there by then. Nobody waits for it:
// the log has it.
func (l *LastWords) Explain(loop *evloop.Loop, where *string, text string, ws unix.WaitStatus, changed func()) {
	reason := text + ExitText(ws)
	*where = reason
	l.Await(loop, func() {
		if *where == reason {
			*where = text + l.How(ws)
			changed()
		}
	})
}

// ExitText says how a process ended.
func ExitText(ws unix.WaitStatus) string {
	switch {
	case ws.Signaled() && ws.Signal() == unix.SIGKILL:
		return "killed by SIGKILL (by hand, or the kernel was out of memory)"
	case ws.Signaled():
		return "killed by " + unix.SignalName(ws.Signal())
	default:
		return fmt.Sprintf("exit status %d", ws.ExitStatus())
	}
}

// howEnded is why we killed a worker, or how it ended by itself.
func (w *worker) howEnded(ws unix.WaitStatus) string { return cmp.Or(w.killed, w.words.How(ws)) }

// follow copies the output of a worker into the log.
func (w *worker) follow(output *os.File, pid int) {
	p := w.pool
	w.words.follow(p.loop, output, func() string { return p.log.Follow(output, pid) })
}

// follow hears the line that read returns, off the loop. It is called before the loop is
// told of the process.
func (l *LastWords) follow(loop *evloop.Loop, output *os.File, read func() string) {
	l.end, _ = output.SyscallConn()
	go func() {
		line := read()
		loop.Post(func() { l.hear(loop, line) })
	}()
}
