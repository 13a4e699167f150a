package metrics

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// residentMemory is that of this process in bytes.
func residentMemory() (float64, bool) {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(f[1], 10, 64)
	return float64(pages * int64(os.Getpagesize())), err == nil
}

// processorSeconds is what this process has used, its own and the kernel's time
// for it.
func processorSeconds() (float64, bool) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, true
}

// processFamilies are the daemon itself, by the names that every client
// library of Prometheus gives them.
func processFamilies(since time.Time) []family {
	start := gauge("process_start_time_seconds", "When the daemon was started, since the Unix epoch.")
	start.add(unixSeconds(since))
	memory := gauge("process_resident_memory_bytes", "Resident memory of the daemon.")
	cpu := counter("process_cpu_seconds_total", "Processor time that the daemon has used.")
	fds := gauge("process_open_fds", "Open file descriptors of the daemon.")
	if rss, ok := residentMemory(); ok {
		memory.add(rss)
	}
	if s, ok := processorSeconds(); ok {
		cpu.add(s)
	}
	if es, err := os.ReadDir("/proc/self/fd"); err == nil {
		fds.add(float64(len(es) - 1)) // one of them is the look itself
	}
	return []family{start, memory, cpu, fds}
}
