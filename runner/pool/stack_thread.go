package pool

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// thread is what the kernel says of one.
type thread struct {
	state                   string // a letter, and a word of it
	inner                   string // its number in the worker's own namespace
	pending, blocked, takes uint64 // signals
	shared                  uint64 // signals that are pending for the whole process
}

// parseThread reads /proc/PID/task/TID/status, as proc_pid_status(5) has it.
func parseThread(text string) (t thread, err error) {
	found := 0
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		mask := func(into *uint64) {
			var err2 error
			*into, err2 = strconv.ParseUint(value, 16, 64)
			err = errors.Join(err, err2)
			found++
		}
		switch key {
		case "State":
			t.state = value
		case "NSpid":
			numbers := strings.Fields(value)
			t.inner = numbers[max(len(numbers)-1, 0)]
		case "SigPnd":
			mask(&t.pending)
		case "ShdPnd":
			mask(&t.shared)
		case "SigBlk":
			mask(&t.blocked)
		case "SigCgt":
			mask(&t.takes)
		}
	}
	if found < 4 {
		err = errors.Join(err, errors.New("it says nothing of signals"))
	}
	return t, err
}

func readThread(pid, id int) (thread, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/status", pid, id))
	if err != nil {
		return thread{}, err
	}
	return parseThread(string(b))
}

// hasPending tells whether a process has yet to take a signal that it does not block.
func hasPending(pid int, sig unix.Signal) bool {
	t, err := readThread(pid, pid)
	bit := uint64(1) << (sig - 1)
	return err == nil && (t.pending|t.shared)&bit != 0 && t.blocked&bit == 0
}

// threadOf is our number of the thread that has a number in the worker's own namespace;
// 0: there is none.
func threadOf(pid int, inner uint32) int {
	d, err := os.Open(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil || inner == 0 {
		return 0
	}
	defer d.Close()
	names, err := d.Readdirnames(4096) // more threads than any worker has
	if err != nil {
		return 0
	}
	for _, name := range names {
		id, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if t, err := readThread(pid, id); err == nil && t.inner == strconv.FormatUint(uint64(inner), 10) {
			return id
		}
	}
	return 0
}

// holdsShared tells whether descriptor 3 of a worker is the memory that it shares with us.
// Who may not look believes so.
func holdsShared(pid int) bool {
	to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/3", pid))
	if err != nil {
		return os.IsPermission(err)
	}
	return strings.HasPrefix(to, "/memfd:wsgid-shared")
}

func has(signals uint64) bool { return signals&(1<<(stackSignal-1)) != 0 }

// mute is why it cannot be asked; empty: it can.
func (t *thread) mute() string {
	switch {
	case !has(t.takes):
		return "the worker does not take SIGURG, the signal by which it is asked: the application has taken the handler away, or the worker is of a release from before that"
	case has(t.blocked):
		return "its thread blocks SIGURG, the signal by which it is asked"
	}
	return ""
}

// settled: the signal has been taken, and its handler is done.
func (t *thread) settled() bool { return !has(t.pending) && !has(t.blocked) }

// patience is how long it has to answer.
func (t *thread) patience() time.Duration {
	if strings.HasPrefix(t.state, "R") {
		return stackMost
	}
	return stackPatience
}

// stuck is why it has not answered.
func (t *thread) stuck(pid, id int) string {
	switch {
	case has(t.blocked) && has(t.pending):
		return "its thread blocks SIGURG, the signal by which it is asked"
	case strings.HasPrefix(t.state, "D"):
		where := ""
		// Who may not know is told 0.
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/wchan", pid, id)); err == nil && len(b) > 1 && len(b) < 100 {
			where = " in " + string(b)
		}
		return "it waits" + where + " in the kernel, where it takes no signals (state D): for a disk or a network file system, as a rule"
	case strings.HasPrefix(t.state, "t"):
		return "a debugger has stopped it"
	}
	return fmt.Sprintf("it has not said so within %v (state %s); ask again", t.patience(), t.state)
}

// maxStackLine is how many bytes of a line of a stack are shown.
const maxStackLine = 500

// stackLines are the calls of a stack as faulthandler writes it, down to the application's
// own: what called that is the worker's. None is believed: the worker can write what it
// likes.
func stackLines(text string) (lines []string) {
	for line := range strings.Lines(text) {
		line = strings.Map(func(r rune) rune {
			if r < ' ' || r >= 0x7f {
				return '?' // faulthandler writes ASCII
			}
			return r
		}, strings.TrimSpace(line))
		if line == "" || strings.HasPrefix(line, "Stack (") {
			continue
		}
		if strings.Contains(line, `/wsgid/serve.py", line `) && len(lines) > 0 {
			break
		}
		if len(lines) == 100 {
			return append(lines, "...")
		}
		lines = append(lines, line[:min(len(line), maxStackLine)])
	}
	return lines
}
