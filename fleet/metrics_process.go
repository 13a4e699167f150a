package fleet

import (
	"os"
	"strconv"
	"strings"

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
