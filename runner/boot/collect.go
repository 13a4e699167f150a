package boot

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

// early is the percentage of GOGC until the first garbage collection, which comes when
// the heap has that part of 4 MiB: a master that has just begun has half of it.
const early = 50

// postponed tells that the first collection was waited for.
var postponed atomic.Bool

// postpone has a process that has not collected garbage yet do so when it has grown, and
// then as always. A collection lists the spans of the heap by the size of their objects:
// to a process that does little this costs more memory than the garbage of its start
// does. (So does asking the runtime for its statistics.) It tells whether that is so.
//
// It is not to wait for long: what asks a master for its status now and then leaves
// garbage that nothing else collects, as the runtime's collection of every two minutes
// begins with the first one.
func postpone() bool {
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	if stats.NumGC > 0 || postponed.Swap(true) {
		return false
	}
	percent := debug.SetGCPercent(early)
	if percent < early {
		debug.SetGCPercent(percent)
		return false // who started it has limits of his own
	}
	// Nothing refers to it, so that the first collection ends it.
	runtime.AddCleanup(&struct{ _ *int }{}, func(percent int) { debug.SetGCPercent(percent) }, percent)
	return true
}
