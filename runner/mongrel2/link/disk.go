package link

import "sync"

// disk does what may have to wait for the disk that mongrel2 writes uploads to: one
// thing after the other, on a goroutine that lives as long as there is something to do.
// However much waits for a disk that stalls, it costs one thread.
type disk struct {
	mu    sync.Mutex
	jobs  []func()
	works bool
}

// do has a job done after those before it. It does not wait.
func (d *disk) do(job func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.jobs = append(d.jobs, job)
	if !d.works {
		d.works = true
		go d.work()
	}
}

func (d *disk) work() {
	for {
		d.mu.Lock()
		if len(d.jobs) == 0 {
			d.works, d.jobs = false, nil
			d.mu.Unlock()
			return
		}
		job := d.jobs[0]
		d.jobs[0] = nil
		d.jobs = d.jobs[1:]
		d.mu.Unlock()
		job()
	}
}
