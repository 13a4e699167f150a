package applog

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// With log.target = "stderr" an app logs where the daemon's output goes. Only a
// daemon hands its standard error over: a command ends before the master that it
// starts, and whoever reads the command's output waits until nobody holds it any
// more. Where there is none, the journal takes the log if one answers, else a file.

var (
	errNoStderr = errors.New("no daemon has passed its standard error")
	errNullFile = errors.New("it leads to " + os.DevNull)
)

// NoStderr is the descriptor of a log that was given no standard error.
const NoStderr = -1

// UseStderr makes a descriptor the standard error that target = "stderr" writes
// to; the log owns it.
func (l *Log) UseStderr(fd int) {
	l.control(func() {
		if l.stderr > 2 {
			_ = unix.Close(l.stderr)
		}
		l.stderr = fd
		if l.set.target == "stderr" {
			l.forgetStead()
		}
	})
}

// forgetStead goes back to the target, if it takes something.
func (l *Log) forgetStead() {
	l.checked, l.fellBack, l.journaled = false, "", false
	l.closeFile()
}

// journaling tells that the journal takes what comes.
func (l *Log) journaling() bool {
	return l.journaled || l.set.target == "journal" && l.fellBack == ""
}

// lookForStderr decides, before the first line, where it goes.
func (l *Log) lookForStderr() {
	if l.set.target != "stderr" || l.checked || l.fellBack != "" {
		return
	}
	if err := l.checkStderr(); err != nil {
		l.withoutStderr(err)
	}
}

// withoutStderr has another place take the log, and says so there.
func (l *Log) withoutStderr(why error) {
	l.journaled = l.journal.reachable() == nil
	place := "this file"
	if l.journaled {
		place = "the journal"
	}
	if errors.Is(why, errNoStderr) {
		l.fellBack = fmt.Sprintf("log.target is \"stderr\", but %v; %s receives the log until one does", why, place)
	} else {
		l.fellBack = fmt.Sprintf("log.target is \"stderr\", but standard error cannot be written to: %v; %s receives the log until the spec is applied again", why, place)
	}
	if !l.journaled {
		l.out = append(l.out, l.line("WARNING", l.fellBack)...)
		return
	}
	l.toJournal(&entry{kind: kindOwn, level: "WARNING", pid: pid, text: []byte(l.fellBack)})
}

// checkStderr refuses a standard error that leads nowhere.
func (l *Log) checkStderr() error {
	if l.own || l.checked {
		return nil
	}
	if l.stderr == NoStderr {
		return errNoStderr
	}
	var st unix.Stat_t
	if err := unix.Fstat(l.stderr, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(1, 3) {
		return errNullFile
	}
	l.checked = true
	return nil
}

// toStderr writes whole lines, and returns those that are for the file instead.
func (l *Log) toStderr(b []byte) []byte {
	err := l.checkStderr()
	if err == nil {
		err = writeAll(l.stderr, b)
	}
	if err == nil {
		return nil
	}
	out := l.out
	l.out = nil
	if l.withoutStderr(err); l.journaled {
		l.toJournal(&entry{kind: kindRaw, level: "INFO", pid: pid, text: b})
		b = l.out
	} else {
		b = append(l.out, b...)
	}
	l.out = out
	return b
}
