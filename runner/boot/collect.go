package boot

import (
	"runtime"
	"runtime/debug"
)

// enough is how much memory of the runtime, in bytes, a process has before its first
// garbage collection: a master that has just begun has half of it, of which it has
// touched a quarter.
const enough = 12 << 20

// postpone has a process that has not collected garbage yet do so when it has grown, and
// then as always. A collection lists the spans of the heap by the size of their objects:
// to a process that does little this costs more memory than the garbage of its start
// does. (So does asking the runtime for its statistics.) It tells whether that is so.
func postpone() bool {
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	if stats.NumGC > 0 {
		return false
	}
	percent := debug.SetGCPercent(-1) // else one comes after two minutes
	if percent < 0 {
		return false // who started it has limits of his own
	}
	limit := debug.SetMemoryLimit(enough)
	// Nothing refers to it, so that the first collection ends it.
	runtime.AddCleanup(&struct{ _ *int }{}, func(percent int) {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}, percent)
	return true
}
