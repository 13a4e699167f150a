package pool

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// template is the process of workers.preload: it has loaded the application
// once, and each worker of its generation is forked from it. It is a worker
// that is never in the pool's set.
type template struct {
	pool    *Pool
	spawner *Spawner
	proc    *worker
	waiting []spawnJob // until it is ready
	asked   []spawnJob // asked for, in the order of the answers
}

// fromTemplate has a worker forked. It runs on the loop.
func (s *Spawner) fromTemplate(job spawnJob, spec *appspec.Spec) {
	p := job.w.pool
	t := p.templates[job.w.gen]
	if t == nil {
		t = &template{pool: p, spawner: s}
		t.proc = p.newWorker(job.w.gen)
		t.proc.template, t.proc.yields = t, job.w.yields
		t.proc.timer.Do = func() {
			p.dumpAndKill(t.proc, fmt.Sprintf("it was not ready within %v (workers.start_timeout)", spec.Workers.StartTimeout))
		}
		p.templates[job.w.gen] = t
		s.start(t.proc, spec, true)
	}
	job.w.child, job.w.parent = true, t
	t.waiting = append(t.waiting, job)
	t.flush()
}

// flush asks the template for the workers that wait.
func (t *template) flush() {
	if !t.proc.life.serves() {
		return
	}
	for _, job := range t.waiting {
		fds := []int{int(job.files[1]), int(job.files[3])}
		for _, s := range job.w.slots {
			fds = append(fds, s.theirs)
		}
		fds = append(fds, job.theirEnd)
		err := unix.Sendmsg(t.proc.slots[0].fd, wsgi.AppendHeader(nil, wsgi.MsgFork, 0, 0), unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL)
		evloop.CloseAll(job.close)
		job.close = nil
		if err != nil {
			t.failed(job, fmt.Errorf("cannot ask the template for a worker: %w", err))
			continue
		}
		t.asked = append(t.asked, job)
	}
	t.waiting = nil
}

func (t *template) failed(job spawnJob, err error) {
	evloop.CloseAll(job.close)
	_ = job.output.Close()
	t.pool.workerStarted(job.w, 0, -1, err)
}

// onMessage handles a message of the template; false: it is none that a
// template sends.
func (t *template) onMessage(typ byte, payload []byte) bool {
	switch typ {
	case wsgi.MsgReady:
		return t.onReady(payload)
	case wsgi.MsgFork:
		return t.onForked(payload)
	case wsgi.MsgExited:
		return t.onExited(payload)
	}
	return false
}

// onReady: the template has loaded the application.
func (t *template) onReady(payload []byte) bool {
	if !t.proc.load() {
		return true
	}
	if err := json.Unmarshal(payload, &t.proc.loaded); err != nil {
		return false
	}
	t.proc.raise() // before a worker inherits it
	t.proc.pass()
	t.proc.admit()
	log := t.pool.log
	for _, s := range t.proc.loaded.Warnings {
		log.Warn(s)
	}
	log.Info(fmt.Sprintf("template %d has loaded %s, workers are forked from it", t.proc.pid, t.proc.loaded.App))
	t.flush()
	return true
}

// onForked: it has forked the worker that was asked for first, or could not.
func (t *template) onForked(payload []byte) bool {
	var f wsgi.Forked
	if err := json.Unmarshal(payload, &f); err != nil || len(t.asked) == 0 {
		return false
	}
	p, job := t.pool, t.asked[0]
	t.asked = t.asked[1:]
	if f.Shares {
		evloop.CloseAll(job.close)
		_ = job.output.Close()
		t.withhold(f.Error, f.Hint)
		p.alone(job.w)
		return true
	}
	if f.Error != "" {
		t.failed(job, errors.New(p.log.Secrets().Text(f.Error)))
		return true
	}
	pid := f.PID
	if t.spawner.space != nil {
		if pid = sandbox.OuterPID(t.proc.pid, f.PID); pid == 0 {
			t.failed(job, fmt.Errorf("cannot watch worker %d of the chroot: the template has no such child", f.PID))
			return true
		}
		job.w.inner = f.PID
	}
	pidfd, err := t.prove(pid)
	if _, lie := errors.AsType[lieError](err); lie {
		t.failed(job, fmt.Errorf("the template of workers.preload reported a process that is not a worker: %w", err))
		return false
	}
	if err != nil {
		t.failed(job, err)
		return true
	}
	job.w.follow(job.output, pid)
	p.workerStarted(job.w, pid, pidfd, nil)
	return true
}

// onExited: a worker that it has forked has ended, or is stopped by a signal.
func (t *template) onExited(payload []byte) bool {
	var e wsgi.Exited
	if err := json.Unmarshal(payload, &e); err != nil {
		return false
	}
	p := t.pool
	i := slices.IndexFunc(p.workers, func(w *worker) bool { return w.parent == t && w.toldPID() == e.PID })
	if i < 0 {
		return true
	}
	w := p.workers[i]
	if e.Stopped {
		p.workerStopped(w)
		return true
	}
	how := unix.WaitStatus(e.Code<<8 | e.Signal)
	w.told = &how
	if w.life.now == phaseEnded {
		p.workerExited(w)
	}
	return true
}

// prove opens a process that the template says it forked as a worker: it is the
// app's code that speaks. What is a worker already is not one more.
func (t *template) prove(pid int) (int, error) {
	known := slices.ContainsFunc(t.pool.workers, func(w *worker) bool { return w.pid == pid })
	if known || t.pool.reaper.own[pid] || pid <= 1 || pid == os.Getpid() {
		return -1, lieError(fmt.Sprintf("process %d is already known", pid))
	}
	return openChild(pid, t.proc.pid, t.spawner.uid())
}

// exited: the template is gone. Its workers serve on; those that were asked for
// cannot start.
func (t *template) exited(why string) {
	p := t.pool
	if p.templates[t.proc.gen] == t {
		delete(p.templates, t.proc.gen)
	}
	for _, job := range append(t.waiting, t.asked...) {
		evloop.CloseAll(job.close)
		_ = job.output.Close()
		if f := t.proc.failure; f != nil && f.Shares {
			p.alone(job.w)
			continue
		} else if f != nil {
			job.w.failure = f
		} else {
			job.w.failure = &wsgi.Failure{Reason: "the template of workers.preload ended: " + why}
		}
		p.drop(job.w)
		p.startFailed(job.w, false)
	}
}

// withhold: workers that were forked from the template would share what it has
// open, and read each other's answers. No worker of its generation is forked any
// more; that costs memory, not answers. Those it has forked share nothing.
func (t *template) withhold(reason, hint string) {
	p := t.pool
	if p.shares[t.proc.gen] == "" {
		text := "workers.preload is not in effect, each worker loads the application by itself: " + reason
		if hint != "" {
			text += "; " + hint
		}
		text = p.log.Secrets().Text(text)
		p.shares[t.proc.gen] = text
		p.log.Warn(text)
	}
	if p.templates[t.proc.gen] == t {
		delete(p.templates, t.proc.gen)
		if t.proc.life.serves() {
			t.proc.slots[0].sendQuit()
		}
	}
}

// alone starts a worker anew that was to be forked and must not be.
func (p *Pool) alone(w *worker) {
	p.drop(w)
	if r := p.roll; r != nil && r.gen == w.gen {
		if i := slices.Index(r.set, w); i >= 0 {
			r.set[i] = p.startWorker(r.spec, r.gen, true)
			return
		}
	}
	p.reconcile()
}

// retireTemplates ends the templates that no generation needs.
func (p *Pool) retireTemplates() {
	maps.DeleteFunc(p.shares, func(gen int, _ string) bool {
		return gen != p.gen && (p.roll == nil || p.roll.gen != gen)
	})
	for gen, t := range p.templates {
		if (gen == p.gen && !p.stopping) || (p.roll != nil && p.roll.gen == gen) {
			continue
		}
		delete(p.templates, gen)
		if t.proc.life.serves() {
			t.proc.slots[0].sendQuit()
		} else {
			t.proc.signal(unix.SIGKILL)
		}
	}
}
