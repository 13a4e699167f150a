package pool

import "sync"

// jobQueue holds what a thread of the spawner is to do, in the order in which it
// came. Whoever adds a job never waits for the thread: the loop does, and the thread
// may be held up by the app's disk, or by as many workers as a spec asks for.
type jobQueue struct {
	mu      sync.Mutex
	some    sync.Cond // there is a job; its lock is mu
	waiting []spawnJob
}

func newJobQueue() *jobQueue {
	q := &jobQueue{}
	q.some.L = &q.mu
	return q
}

func (q *jobQueue) add(job spawnJob) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, job)
	q.some.Signal()
}

// next waits for the job that was added first.
func (q *jobQueue) next() spawnJob {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 {
		q.some.Wait()
	}
	job := q.waiting[0]
	q.waiting[0] = spawnJob{}
	if q.waiting = q.waiting[1:]; len(q.waiting) == 0 {
		q.waiting = nil // most masters never start many at once again
	}
	return job
}
