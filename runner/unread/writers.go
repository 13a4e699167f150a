package unread

import (
	"slices"
	"sync"
)

// mostWriters bounds the goroutines, and so the threads, that a disk holds up: as many
// for what clients have not read, and as many for the bodies of requests.
const mostWriters = 2

// job is what one of the writers does at a disk.
type job interface{ write() }

// writers are goroutines that do what may wait for a disk, first come, first served.
// They come with the work and go without it. Its methods are safe for concurrent use.
type writers struct {
	mu    sync.Mutex
	queue []job // guarded by mu
	n     int   // guarded by mu: goroutines
}

// add has a writer come to a job.
func (w *writers) add(j job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, j)
	if w.n < mostWriters {
		w.n++
		go w.work()
	}
}

// remove takes a job that no writer has come to out of the queue; false: one has.
func (w *writers) remove(j job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.queue, j)
	if i >= 0 {
		w.queue = slices.Delete(w.queue, i, i+1)
	}
	return i >= 0
}

func (w *writers) work() {
	for {
		w.mu.Lock()
		if len(w.queue) == 0 {
			w.n--
			w.queue = nil
			w.mu.Unlock()
			return
		}
		j := w.queue[0]
		w.queue[0] = nil
		w.queue = w.queue[1:]
		w.mu.Unlock()
		j.write()
	}
}
