package appdir

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// StartTime returns when a process started, in clock ticks since boot: field 22
// of /proc/PID/stat (proc(5)). Together with the boot it tells a process from a
// later one that got the same number. A process that has ended and only waits
// to be reaped is an error, as is one that does not exist.
func StartTime(pid int) (uint64, error) {
	b, err := readStat(pid)
	if err != nil {
		return 0, err
	}
	state, start, err := parseStat(b)
	if err != nil {
		return 0, fmt.Errorf("cannot read process %d: %w", pid, err)
	}
	if state == 'Z' || state == 'X' || state == 'x' {
		return 0, fmt.Errorf("cannot read process %d: %w", pid, os.ErrProcessDone)
	}
	return start, nil
}

// ProcAlive tells whether pid is the process that started then. With startTime
// 0 any live process of that number will do. Where we cannot find out, for want of
// descriptors or memory, a process of that number counts as the one: what is not
// known is not missing.
func ProcAlive(pid int, startTime uint64) bool {
	if pid <= 0 || unix.Kill(pid, 0) == unix.ESRCH {
		return false
	}
	start, err := StartTime(pid)
	if Exhausted(err) {
		return true
	}
	return err == nil && (startTime == 0 || start == startTime)
}

// Exhausted tells that a call failed for want of descriptors or memory: it says
// nothing of what was looked for.
func Exhausted(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

// ExitStatus is how a process ended that nobody has reaped yet, as wait(2)
// would give it: field 52 of /proc/PID/stat, which the kernel shows to root and
// to the process's own user. False: it runs, or is gone, or is not ours to ask.
func ExitStatus(pid int) (status uint32, ok bool) {
	b, err := readStat(pid)
	if err != nil {
		return 0, false
	}
	f, err := statFields(b)
	const codeField = 52
	if err != nil || f[0] != "Z" || len(f) <= codeField-stateField {
		return 0, false
	}
	code, err := strconv.ParseUint(f[codeField-stateField], 10, 32)
	return uint32(code), err == nil
}

// StateAndSession are the state of a process, as a letter, and its session, by their
// fields in /proc/PID/stat.
func StateAndSession(pid int) (state byte, session int, err error) {
	b, err := readStat(pid)
	if err != nil {
		return 0, 0, err
	}
	f, err := statFields(b)
	if err != nil {
		return 0, 0, fmt.Errorf("cannot read process %d: %w", pid, err)
	}
	if len(f) <= sessionField-stateField || len(f[0]) != 1 {
		return 0, 0, fmt.Errorf("cannot read process %d: stat %q is too short", pid, truncate(b))
	}
	session, err = strconv.Atoi(f[sessionField-stateField])
	return f[0][0], session, err
}

// ParentOf is the parent of a process; 0: it has none.
func ParentOf(pid int) (int, error) {
	b, err := readStat(pid)
	if err != nil {
		return 0, err
	}
	f, err := statFields(b)
	if err != nil || len(f) <= parentField-stateField {
		return 0, fmt.Errorf("cannot read process %d: stat %q is too short", pid, truncate(b))
	}
	return strconv.Atoi(f[parentField-stateField])
}

func readStat(pid int) ([]byte, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil, fmt.Errorf("cannot read process %d: %w", pid, err)
	}
	return b, nil
}

// As proc(5) numbers the fields; the first that statFields returns is the
// state.
const stateField, parentField, sessionField, startField = 3, 4, 6, 22

// statFields returns the fields from the state on. The second one is the
// command's name in parentheses, and the process chose it: it may hold spaces,
// newlines and parentheses, so that the fields are counted from the last one.
func statFields(b []byte) ([]string, error) {
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return nil, fmt.Errorf("stat %q has no command", truncate(b))
	}
	return strings.Fields(string(b[end+1:])), nil
}

// parseStat reads state and start time.
func parseStat(b []byte) (state byte, start uint64, err error) {
	fields, err := statFields(b)
	if err != nil {
		return 0, 0, err
	}
	if len(fields) <= startField-stateField || len(fields[0]) != 1 {
		return 0, 0, fmt.Errorf("stat %q is too short", truncate(b))
	}
	start, err = strconv.ParseUint(fields[startField-stateField], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("stat has start time %q", fields[startField-stateField])
	}
	return fields[0][0], start, nil
}

func truncate(b []byte) []byte { return b[:min(len(b), 64)] }

// ChildrenOf lists the children of all threads below a task folder of /proc.
func ChildrenOf(tasks string) []int {
	threads, err := os.ReadDir(tasks)
	if err != nil {
		return nil
	}
	var pids []int
	for _, t := range threads {
		b, err := os.ReadFile(fmt.Sprintf("%s/%s/children", tasks, t.Name()))
		if err != nil {
			continue // the thread has ended
		}
		for s := range strings.FieldsSeq(string(b)) {
			if pid, err := strconv.Atoi(s); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// ResidentSize is the resident memory of a process in bytes, 0 if it is gone.
func ResidentSize(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
