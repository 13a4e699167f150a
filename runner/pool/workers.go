package pool

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// reconcile starts and retires workers until the set is as wanted. It is
// called after every event that may have changed that.
func (p *Pool) reconcile() {
	if p.stopping {
		if len(p.workers) == 0 {
			p.Emptied()
		}
		return
	}
	var starting, ready, recycling int
	for _, w := range p.workers {
		switch {
		case w.gen != p.gen || !w.life.wanted():
		case !w.life.ready():
			starting++
		case w.life.was == phaseReplacing:
			recycling++
		default:
			ready++
		}
	}
	want := p.target()
	have := starting + ready
	if have < want && p.spec.Workers.KeepAlive || have < want && p.restarts == 0 {
		if p.back.Failing() && ready == 0 {
			want = min(want, 1) // one worker finds out whether it works again
		}
		if p.retryIn() <= 0 {
			for ; have < want; have++ {
				p.startWorker(p.spec, p.gen, false)
			}
		}
	}
	// A recycled worker leaves when there is one to take its place.
	for _, w := range slices.Clone(p.workers) {
		if recycling > 0 && ready+recycling > p.target() && w.life.was == phaseReplacing && w.gen == p.gen {
			recycling--
			p.retire(w, w.why)
		}
	}
	for extra := have - p.target(); extra > 0; extra-- {
		w := p.leastNeeded()
		if w == nil {
			break
		}
		p.retire(w, "scaled down")
	}
	p.growing = p.growing && ready+recycling < p.target()
	p.roll.reconcile(p)
	p.retireTemplates()
	if p.target() == 0 && len(p.workers) == 0 {
		p.stem.restock()
	}
	p.NotifyChanged()
}

// target is how many workers are wanted now.
func (p *Pool) target() int { return p.scaler.want }

// leastNeeded is the worker to let go when there are too many: one that is
// still starting, else an idle one, else the youngest.
func (p *Pool) leastNeeded() *worker {
	var best *worker
	rank := func(w *worker) int {
		switch {
		case !w.life.ready():
			return 0
		case w.busy() == 0:
			return 1
		default:
			return 2
		}
	}
	for _, w := range p.workers {
		if w.gen != p.gen || !w.life.wanted() || w.life.was == phaseReplacing {
			continue
		}
		if best == nil || rank(w) <= rank(best) {
			best = w
		}
	}
	return best
}

// startWorker adds a worker and has its process started.
func (p *Pool) startWorker(spec *appspec.Spec, gen int, rolling bool) *worker {
	w := p.newWorker(gen)
	w.rolling = rolling
	w.yields = rolling || p.countServing() >= p.target()
	w.limit, w.jitter = jitter(spec.Workers.MaxRequests), rand.Float64()/10
	p.workers = append(p.workers, w)
	p.noteProcesses()
	w.timer.Do = func() {
		p.dumpAndKill(w, p.tooLate(w, spec.Workers.StartTimeout))
	}
	p.loop.Set(&w.timer, spec.Workers.StartTimeout.D())
	p.spawn(w, spec)
	return w
}

// tooLate says why a worker is ended that was not ready in time. Many that start at once
// share the CPUs, and then none of them may be.
func (p *Pool) tooLate(late *worker, limit appspec.Duration) string {
	others := 0
	for _, w := range p.workers {
		if w != late && w.life.wanted() && !w.life.ready() {
			others++
		}
	}
	text := fmt.Sprintf("it was not ready within %v (workers.start_timeout)", limit)
	if others >= 2*runtime.NumCPU() {
		text += fmt.Sprintf(", while %d others were starting on %d CPUs: raise it, or lower workers.count", others, runtime.NumCPU())
	}
	return text
}

// workerStarted is the end of a spawn: the process runs, or err says why not.
func (p *Pool) workerStarted(w *worker, pid, pidfd int, err error) {
	if err != nil {
		if errors.Is(err, unix.EMFILE) {
			p.Crowded()
			err = fmt.Errorf("%w; raise the limit of open files of the service (LimitNOFILE=)", err)
		}
		p.log.Error(err.Error())
		w.failure = &wsgi.Failure{Reason: err.Error()}
		if w.template != nil {
			w.template.exited(err.Error())
			w.drop()
			w.close()
			return
		}
		p.drop(w)
		p.startFailed(w, false)
		return
	}
	w.pid, w.pidfd = pid, pidfd
	if w.lowered != (sandbox.Lowered{}) {
		// A busy machine may leave little to it: it must be ready in time all the same.
		w.raising.Do = w.raise
		p.loop.Set(&w.raising, p.specOf(w).Workers.StartTimeout.D()/4)
	}
	p.reaper.own[pid] = true
	for _, s := range w.slots {
		if err := p.loop.Add(s.fd, unix.EPOLLIN, s); err != nil {
			p.log.Error(err.Error())
		}
	}
	if err := p.loop.Add(pidfd, unix.EPOLLIN, w); err != nil {
		p.log.Error(err.Error())
	}
	if err := p.root.MarkPID(appdir.Worker, pid); err != nil && !p.root.ReadOnly() {
		p.log.Warn(err.Error())
	}
	if w.life.now == phaseKilled || p.aborted {
		w.signal(unix.SIGKILL)
	}
	p.NotifyChanged()
}

// workerReady: the application is loaded.
func (p *Pool) workerReady(w *worker, payload []byte) {
	if !w.load() {
		return
	}
	if err := json.Unmarshal(payload, &w.loaded); err != nil {
		p.workerBroke(w, "malformed message: "+appspec.JSONReason(err).Error())
		return
	}
	w.raise()
	for _, said := range []*string{&w.loaded.Loader, &w.loaded.App, &w.loaded.Settings, &w.loaded.Python} {
		*said = p.log.Secrets().Text(*said) // status repeats it
	}
	for _, s := range w.loaded.Warnings {
		p.log.Warn(s)
	}
	p.log.Info(fmt.Sprintf("worker %d is ready: %s %s, Python %s, loaded in %.0f ms",
		w.pid, w.loaded.Loader, w.loaded.App, w.loaded.Python, w.loaded.ImportMS))
	if p.specOf(w).Health == nil {
		p.nowReady(w)
		return
	}
	p.health.ask(w) // its answer makes the worker ready
}

// specOf is the spec that a worker runs.
func (p *Pool) specOf(w *worker) *appspec.Spec {
	if p.roll != nil && p.roll.gen == w.gen {
		return p.roll.spec
	}
	return p.spec
}

// nowReady: the worker may serve.
func (p *Pool) nowReady(w *worker) {
	if !w.pass() {
		return
	}
	if !w.rolling {
		p.admit(w)
	}
	p.reconcile()
}

// admit lets a ready worker serve.
func (p *Pool) admit(w *worker) {
	if !w.admit() {
		return
	}
	p.loaded = w.loaded.Loader + " " + w.loaded.App
	if !p.retry.IsSet() { // else it is why others are missing
		p.lastErr, p.hint = "", ""
	}
	if p.rollErr == "" && p.lastErr == "" {
		p.trace = "" // else it belongs to what was given up
	}
	if !p.proved {
		p.proved, p.before = true, nil
		p.Served(p.spec)
	}
	p.Admitted(w.loaded.Filters)
	p.countCapacity()
	w.timer.Do = func() { p.back.Reset() }
	p.loop.Set(&w.timer, p.spec.Restart.ResetAfter.D())
	if age := int64(p.spec.Workers.MaxAge); age > 0 {
		p.loop.SetBy(&p.look, w.readyAt+age)
	}
	for _, s := range w.slots {
		p.feed(s)
	}
}

// workerFailed: the application cannot be loaded. The worker exits by itself.
func (p *Pool) workerFailed(w *worker, payload []byte) {
	var f wsgi.Failure
	if err := json.Unmarshal(payload, &f); err != nil {
		f.Reason = "it failed, and its report is malformed: " + appspec.JSONReason(err).Error()
	}
	for _, said := range []*string{&f.Reason, &f.File, &f.Traceback, &f.Hint} {
		*said = p.log.Secrets().Text(*said) // status, apply and the daemon repeat it
	}
	if f.Plain && w.stemmed {
		if p.stem != nil {
			p.stem.passed = f.Reason
		}
		w.reject() // its exit does the rest
		return
	}
	w.failure = &f
	if f.Shares && w.template != nil {
		w.template.withhold(f.Reason, f.Hint) // its exit does the rest
		return
	}
	p.log.Error(fmt.Sprintf("worker %d cannot load the application: %s", w.pid, f.Summary()))
	if f.Traceback != "" {
		p.log.Raw(f.Traceback)
	}
	if f.Hint != "" {
		p.log.Error(f.Hint)
	}
}

// takesNone is what broke a worker whose socket is closed or full.
const takesNone = "it does not accept requests"

// workerBroke: the worker does what no worker may do. It is killed; its exit
// does the rest.
func (p *Pool) workerBroke(w *worker, what string) {
	what = p.log.Secrets().Text(what) // it may quote what the worker sent
	if w.kill(what) {
		p.stats.restarts[restartBroke]++
		p.log.Error(fmt.Sprintf("worker %d is killed: %s", w.pid, what))
	}
	for _, s := range w.slots {
		p.loop.Remove(s.fd)
	}
	w.signal(unix.SIGKILL)
}

// retire lets a worker finish what it has begun and go.
func (p *Pool) retire(w *worker, why string) {
	if !w.retire(why) {
		return
	}
	p.countCapacity()
	p.loop.Clear(&w.timer)
	if w.life.now == phaseKilled {
		w.signal(unix.SIGKILL)
		return
	}
	p.log.Info(fmt.Sprintf("worker %d is stopping: %s", w.pid, why))
	for _, s := range w.slots {
		p.notIdle(s)
		for _, x := range p.reclaim(s) {
			p.requeue(x)
		}
		p.drainSlot(s)
	}
	w.timer.Do = func() {
		p.dumpAndKill(w, fmt.Sprintf("it did not exit within %v (workers.stop_timeout)", p.spec.Workers.StopTimeout))
	}
	p.loop.Set(&w.timer, p.spec.Workers.StopTimeout.D())
	p.NotifyChanged()
}

// requeue gives a request that its worker has not begun to another one.
func (p *Pool) requeue(x *Exchange) {
	if s := p.popIdle(); s != nil && s.send(x, p.loop.Now()) {
		return
	}
	p.queue.putBack(x)
	p.loop.SetBy(&p.sweep, x.queuedAt+int64(p.spec.Workers.QueueTimeout))
	p.scaler.demand() // it may have been the last worker
}

// recycle has a worker replaced, the replacement first.
func (p *Pool) recycle(w *worker, why string) {
	if !w.outdate(why) {
		return
	}
	p.log.Info(fmt.Sprintf("worker %d is to be replaced: %s", w.pid, why))
	p.loop.Post(p.reconcile)
}

// drop takes a worker that is no more out of the pool.
func (p *Pool) drop(w *worker) {
	w.drop()
	w.close()
	if i := slices.Index(p.workers, w); i >= 0 {
		p.workers = slices.Delete(p.workers, i, i+1)
		p.noteProcesses()
	}
}

// lastMessages bounds what is read of a slot whose worker is gone: more than
// the kernel keeps of an honest one.
const lastMessages = 64

// startFailed: a worker could not start, or died before its rollout admitted it;
// bySignal: of one that was not ours.
func (p *Pool) startFailed(w *worker, bySignal bool) {
	if w.rolling {
		p.roll.failed(p, w, bySignal)
		return
	}
	p.stats.restarts[restartStart]++
	p.explain(w.failure)
	if w.gen != p.gen || p.stopping {
		p.reconcile()
		return
	}
	if p.before != nil && !bySignal {
		p.goBack(w)
		return
	}
	d := p.back.Failed(p.spec.Restart)
	p.log.Warn(fmt.Sprintf("next try in %v", d.Round(100*time.Millisecond)))
	p.wait(d)
	p.reconcile()
}

// wait keeps the pool from starting workers for d.
func (p *Pool) wait(d time.Duration) { p.loop.Set(&p.retry, d) }

// Retry ends a back-off: the operator asked for it, or the spec changed.
func (p *Pool) Retry() {
	p.back.Reset()
	p.loop.Clear(&p.retry)
	p.reconcile()
}

// Scale sets the wanted numbers.
func (p *Pool) Scale(lo, hi int) {
	if lo == p.min && hi == p.max {
		return
	}
	p.log.Info(fmt.Sprintf("workers: %d to %d → %d to %d", p.min, p.max, lo, hi))
	p.growing = p.growing || lo > p.min && p.countServing() >= max(p.min, 1)
	p.min, p.max = lo, hi
	p.scaler.limits(lo, hi)
	p.reconcile()
}
