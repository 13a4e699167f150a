package applog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// logRetry is how often a target that takes nothing is tried again.
const logRetry = 5 * time.Second

// write is the writer goroutine.
func (l *Log) write() {
	defer close(l.done)
	for {
		var again <-chan time.Time
		if l.failing() {
			again = time.After(logRetry)
		}
		select {
		case e := <-l.entries:
			if !l.take(e) {
				l.flush()
				l.closeFile()
				l.journal.close()
				return
			}
		case <-again:
			l.retry()
		}
		if len(l.entries) == 0 {
			l.flush()
		}
	}
}

// failing tells that something waits to be tried again.
func (l *Log) failing() bool {
	if l.lost.Load() > 0 {
		return true
	}
	switch l.set.target {
	case "journal":
		return l.fellBack != ""
	case "file":
		text, _ := l.Status()
		return text != "" && l.file == nil
	}
	return false
}

// take handles one entry; false: the log is to be closed.
func (l *Log) take(e *entry) bool {
	if e != nil && e.kind != kindAccess {
		e.text = l.mask.Bytes(e.text)
	}
	switch {
	case e == nil:
		return false
	case e.control != nil:
		l.flush()
		e.control()
		return true
	default:
		if l.lookForStderr(); l.journaling() {
			l.toJournal(e)
		} else {
			l.gather(e)
		}
	}
	if e.kind == kindAccess {
		select {
		case l.spare <- e.text:
		default:
		}
	}
	return true
}

// gather adds an entry to what is written next.
func (l *Log) gather(e *entry) {
	app := ""
	if l.set.target == "stderr" && !l.own && l.fellBack == "" {
		app = l.app // the daemon's standard error is that of all apps
	}
	if l.set.json {
		l.out = e.appendJSON(l.out, l.app)
	} else {
		l.out = e.appendText(l.out, app)
	}
	if len(l.out) >= logBatch {
		l.flush()
	}
}

// line is one of the log's own, in the present form.
func (l *Log) line(level, message string) []byte {
	out := l.out
	l.out = nil
	l.gather(&entry{kind: kindOwn, at: time.Now(), level: level, pid: pid, text: []byte(message)})
	b := l.out
	l.out = out
	return b
}

// flush writes what was gathered, and before it how many lines are missing.
func (l *Log) flush() {
	if l.journaling() {
		return // nothing is gathered
	}
	lost := l.lost.Swap(0)
	if len(l.out) == 0 && lost == 0 {
		return
	}
	b := l.out
	if lost > 0 {
		b = append(l.lostLine(lost), b...)
	}
	whole := len(b)
	rest, err := l.emit(b)
	if l.out = l.out[:0]; cap(l.out) > 2*logBatch {
		l.out = nil
	}
	if err != nil {
		missing := uint64(bytes.Count(rest, []byte{'\n'}))
		if lost > 0 && len(rest) >= whole {
			missing-- // the line that tells of them
			l.lost.Add(lost)
		}
		l.drop(int(missing))
		l.setProblem(err.Error())
		return
	}
	l.setProblem(l.fellBack)
}

// lostLine tells that lines are missing.
func (l *Log) lostLine(n uint64) []byte {
	why, _ := l.Status()
	if why == "" {
		why = "the " + l.set.target + " did not keep up"
	}
	return l.line("WARNING", fmt.Sprintf("%d log lines were lost: %s", n, why))
}

// retry sees whether what failed works again.
func (l *Log) retry() {
	switch {
	case l.journaling():
		l.tellJournal()
	case l.set.target == "journal" && l.journal.reachable() == nil:
		l.flush()
		l.fellBack = ""
		l.closeFile()
		l.toJournal(&entry{kind: kindOwn, level: "INFO", pid: pid,
			text: []byte("the journal is available again; lines from the meantime are in " + l.name)})
	case l.set.target == "file" && l.file == nil:
		if err := l.open(); err != nil {
			l.setProblem(err.Error())
			return
		}
		l.setProblem("")
	}
	l.flush()
}

// fallBack makes the file take what the target does not.
func (l *Log) fallBack(why string) {
	l.fellBack = why
	l.out = append(l.out, l.line("WARNING", why)...)
}

// emit writes whole lines to where they go. Of an error it returns what was not
// written.
func (l *Log) emit(b []byte) ([]byte, error) {
	if l.set.target == "stderr" && l.fellBack == "" {
		if b = l.toStderr(b); len(b) == 0 {
			return nil, nil
		}
	}
	return l.toFile(b)
}

// writeAll writes to a descriptor, and waits a moment where it is full.
func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		switch {
		case n > 0:
			b = b[n:]
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			ready, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(outputPatience.Milliseconds()))
			if ready == 0 {
				return errors.New("nobody reads it")
			}
		case err != nil:
			return err
		}
	}
	return nil
}

// toFile writes whole lines to the log file, over rotations.
func (l *Log) toFile(b []byte) ([]byte, error) {
	l.look(&b)
	for len(b) > 0 {
		if l.file == nil {
			if err := l.open(); err != nil {
				return b, err
			}
		}
		part := b
		if l.set.max > 0 && l.size+int64(len(b)) > l.set.max {
			cut := bytes.LastIndexByte(b[:max(min(l.set.max-l.size, int64(len(b))), 0)], '\n') + 1
			switch {
			case cut > 0:
				part = b[:cut]
			case l.size > 0:
				if err := l.rotate(); err != nil {
					b = append(l.line("ERROR", err.Error()), b...)
				}
				continue
			default: // a line that is longer than a file may be
				part = b[:bytes.IndexByte(b, '\n')+1]
			}
		}
		n, err := l.file.Write(part)
		l.size += int64(n)
		if err != nil {
			l.truncatePartial(n)
			l.closeFile()
			return b, fmt.Errorf("cannot write log %s: %w", l.path(), PlainPath(err))
		}
		b = b[len(part):]
	}
	return nil, nil
}

// truncatePartial takes back the part of a write that the disk had no room for, so that no
// line is half there.
func (l *Log) truncatePartial(written int) {
	if written > 0 {
		if st, err := l.file.Stat(); err == nil && st.Size() >= int64(written) {
			_ = l.file.Truncate(st.Size() - int64(written))
		}
	}
}

// open opens the file for appending. The app's user owns logs/, so what stands
// there is not trusted: only a regular file with one name is written to.
func (l *Log) open() error {
	l.place()
	name := l.path()
	f, err := l.dir.OpenRegular(l.name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		err = PlainPath(err)
		if _, system := errors.AsType[unix.Errno](err); !system { // what stands there is the wrong thing
			return fmt.Errorf("cannot open log %s: %w; move it away (mv %s %s.old), a new one is then made", name, err, name, name)
		}
		return fmt.Errorf("cannot open log %s: %w", name, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		_ = f.Close()
		return fmt.Errorf("cannot open log %s: %w", name, err)
	}
	if l.uid >= 0 && int(st.Uid) != l.uid && l.dir == l.root {
		_ = f.Chown(l.uid, l.gid)
	}
	l.file, l.size, l.looked = f, st.Size, time.Now()
	return nil
}

func (l *Log) closeFile() {
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

// look sees now and then whether the file is still the one of that name, and
// how large it is.
func (l *Log) look(b *[]byte) {
	if l.file == nil || time.Since(l.looked) < logLook {
		return
	}
	l.looked = time.Now()
	here, err := l.file.Stat()
	if err != nil {
		l.closeFile()
		return
	}
	there, err := l.dir.Stat(l.name)
	switch {
	case err == nil && appdir.SameFile(here, there):
		l.size = here.Size()
		return
	case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM):
		return // nothing is known: another one could not be opened either
	}
	what := "moved away"
	var st unix.Stat_t
	if unix.Fstat(int(l.file.Fd()), &st) == nil && st.Nlink == 0 {
		what = "removed"
	}
	l.closeFile()
	*b = append(l.line("WARNING", "the log file was "+what+"; this is a new one"), *b...)
}

// rotate moves wsgid.log to wsgid.log.1, that to .2, and so on.
func (l *Log) rotate() error {
	l.closeFile()
	if l.set.keep <= 0 {
		if err := l.dir.Remove(l.name); err != nil {
			return l.rotateFailed(err)
		}
		return nil
	}
	for i := l.set.keep - 1; i >= 0; i-- {
		from := l.name
		if i > 0 {
			from = fmt.Sprintf("%s.%d", l.name, i)
		}
		err := l.dir.Rename(from, fmt.Sprintf("%s.%d", l.name, i+1))
		if err != nil && i == 0 {
			return l.rotateFailed(err)
		}
	}
	// Of a time when more were kept; not all at once of what an app may have put there.
	for i := l.set.keep + 1; i <= l.set.keep+staleLogs && l.dir.Remove(fmt.Sprintf("%s.%d", l.name, i)) == nil; i++ {
	}
	return nil
}

// rotateFailed goes on with a file that cannot be rotated, and tries again when it has
// grown by as much once more.
func (l *Log) rotateFailed(err error) error {
	if e := l.open(); e != nil {
		return e
	}
	l.size = 0
	l.looked = time.Now()
	return fmt.Errorf("cannot rotate log %s: %w", l.path(), PlainPath(err))
}

// PlainPath leaves out what the caller names better.
func PlainPath(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return le.Err
	}
	return err
}

// toJournal sends an entry to the journal, or falls back to the file.
func (l *Log) toJournal(e *entry) {
	l.tellJournal()
	err := l.journal.sendAll(l.app, e)
	switch {
	case err == nil:
		l.setProblem(l.fellBack)
	case errors.Is(err, unix.EAGAIN):
		l.drop(e.lines())
		l.setProblem("cannot write to the journal: it does not accept messages")
	case l.journaled:
		l.journaled = false
		l.fallBack(fmt.Sprintf("log.target is \"stderr\", but there is none, and the journal no longer answers at %s: %v; this file receives the log until the spec is applied again", journalPath, err))
		l.gather(e)
	default:
		l.fallBack(fmt.Sprintf("log.target is \"journal\", but no journal answers at %s: %v; this file receives the log until one does", journalPath, err))
		l.gather(e)
	}
}

// tellJournal tells it how many lines are missing.
func (l *Log) tellJournal() {
	lost := l.lost.Swap(0)
	if lost == 0 {
		return
	}
	e := &entry{kind: kindOwn, level: "WARNING", pid: pid, text: fmt.Appendf(nil, "%d log lines were lost: the journal did not keep up", lost)}
	if l.journal.send(l.app, e) != nil {
		l.lost.Add(lost)
	}
}
