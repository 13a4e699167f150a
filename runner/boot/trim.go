package boot

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// TrimAfter is how long after its start a process gives back what only its start
// needed.
const TrimAfter = 3 * time.Second

// trimLatest is how many times TrimAtRest looks.
const trimLatest = 60

// TrimAtRest is TrimMemory once the start of the process is over: when it has used little
// of the CPU for a moment, or a minute has passed. It returns after that, or when ctx ends.
func TrimAtRest(ctx context.Context) {
	wait := TrimAfter
	for range trimLatest {
		before := cpuTime()
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if cpuTime()-before < wait/20 {
			break
		}
		wait = time.Second
	}
	TrimMemory()
}

// cpuTime is what the process has used so far.
func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TrimMemory gives memory back: the heap that the start has left, and the pages of
// the program's text that the start has touched. What is needed again is mapped
// again, from the page cache; a process at rest needs little of its binary.
func TrimMemory() {
	if !postpone() {
		debug.FreeOSMemory()
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for _, m := range cleanMappings(exe) {
		// One touch would else bring two megabytes back, where the file lies in the
		// page cache in large pieces. Kernels without that refuse the call.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_NOHUGEPAGE)
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
	}
}

type mapping struct{ from, to uintptr }

// cleanMappings finds the mappings of a file that hold nothing but the file:
// read-only, and no page of them was ever written to. Dropping their pages
// cannot lose anything.
func cleanMappings(path string) []mapping {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil
	}
	defer f.Close()
	file := []byte(" " + path)
	var all []mapping
	var cur mapping
	var wanted bool
	for s := bufio.NewScanner(f); s.Scan(); {
		// A thousand lines: a string of each would be garbage that nobody collects.
		line := s.Bytes()
		if from, to, ok := mappingOf(line); ok {
			cur = mapping{from, to}
			permissions, _, _ := bytes.Cut(line[bytes.IndexByte(line, ' ')+1:], []byte(" "))
			wanted = bytes.HasSuffix(line, file) && !bytes.Contains(permissions, []byte("w"))
			continue
		}
		if v, ok := bytes.CutPrefix(line, []byte("Anonymous:")); ok && wanted && string(bytes.TrimSpace(v)) == "0 kB" {
			all = append(all, cur)
		}
	}
	return all
}

// mappingOf reads the first line of a mapping: "from-to perms …".
func mappingOf(line []byte) (from, to uintptr, ok bool) {
	r, _, _ := bytes.Cut(line, []byte(" "))
	a, b, found := bytes.Cut(r, []byte("-"))
	if !found {
		return 0, 0, false
	}
	x, err1 := strconv.ParseUint(string(a), 16, 64)
	y, err2 := strconv.ParseUint(string(b), 16, 64)
	return uintptr(x), uintptr(y), err1 == nil && err2 == nil
}
