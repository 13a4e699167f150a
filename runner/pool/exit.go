package pool

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// workerExited: the process is gone.
func (p *Pool) workerExited(w *worker) {
	// Its children, if it had any, are in its process group.
	w.killGroup()
	if w.life.was <= phaseStandby && !w.words.known {
		// What it said may be why it did not get ready. The descriptor would tell
		// again and again until it is reaped.
		p.loop.Remove(w.pidfd)
		w.words.Await(p.loop, func() { p.workerExited(w) })
		return
	}
	p.readLast(w)
	first := w.exit() // nothing is given to it from here on
	p.countCapacity()
	ws, ok := p.reap(w, first)
	if !ok {
		return
	}
	p.root.UnmarkPID(appdir.Worker, w.pid)
	if w.template != nil {
		w.template.exited(w.howEnded(ws))
		w.drop()
		w.close()
		return
	}
	again := p.endRequests(w, ws)
	if w.life.was == phaseUnsuited {
		if p.stem != nil {
			p.stem.pass++ // who starts it by itself tells what was in the way
		}
		p.alone(w)
		return
	}
	p.drop(w)
	for _, x := range again {
		p.requeue(x)
	}
	switch w.life.was {
	case phaseDraining:
		p.log.Info(fmt.Sprintf("worker %d exited", w.pid))
		p.reconcile()
	case phaseStarting, phaseChecking:
		if w.failure == nil {
			w.failure = &wsgi.Failure{Reason: "the worker ended before it was ready: " + w.howEnded(ws)}
			p.log.Error(fmt.Sprintf("worker %d: %s", w.pid, w.failure.Reason))
			if ws.Exited() && w.killed == "" {
				p.doubtPython(w.failure.Reason)
			}
		}
		p.startFailed(w, ws.Signaled() && w.killed == "")
	case phaseStandby:
		w.failure = &wsgi.Failure{Reason: "the worker died while the rollout was waiting for others: " + w.howEnded(ws)}
		p.startFailed(w, ws.Signaled())
	default:
		p.workerDied(w, ws)
	}
}

// readLast reads what a worker had answered before it died: that is still in our sockets. A
// child that has left its group may write for ever.
func (p *Pool) readLast(w *worker) {
	for _, s := range w.slots {
		for range lastMessages {
			s.drainRing()
			if s.fd < 0 || s.n == 0 {
				break
			}
			msg, passed, errno := p.rx.Recv(s.fd)
			if errno == unix.EINTR {
				continue
			}
			if errno != 0 || len(msg) == 0 {
				break
			}
			p.onMessage(s, msg, passed)
		}
		if !w.life.ready() && s.index == 0 && s.fd >= 0 {
			p.readFailure(w, s)
		}
	}
}

// endRequests answers the requests that a worker had begun when it ended, and returns those
// that it had not.
func (p *Pool) endRequests(w *worker, ws unix.WaitStatus) (again []*Exchange) {
	for _, s := range w.slots {
		p.notIdle(s)
		back := p.reclaim(s)
		p.prefetched -= s.prefetched()
		// It holds nothing from here on: who hears that its response has failed lets the
		// slot go on, where it waited for the client.
		held := slices.Clone(s.held[:s.n])
		clear(s.held[:])
		s.n = 0
		for i, x := range held {
			x.slot = nil
			switch {
			case x.Sink == nil:
				p.account(x)
				p.Release(x)
			case i > 0:
				// It had come to the worker together with the first, which it never
				// ended: so this one was not begun.
				again = append(again, x)
			case w.killed != "":
				p.fail(x, 502, fmt.Sprintf("worker %d was killed: %s", w.pid, w.killed))
			default:
				p.fail(x, 502, fmt.Sprintf("worker %d died: %s", w.pid, ExitText(ws)))
			}
		}
		again = append(again, back...)
	}
	return again
}

// doubtPython asks the interpreter whether it is one: a worker ended without a
// word. What it says replaces the reason given so far.
func (p *Pool) doubtPython(reason string) {
	if p.AskPython == nil {
		return
	}
	ask := p.AskPython
	p.reaper.asked++
	go func() {
		err := ask()
		p.loop.Post(func() {
			p.reaper.asked--
			if err == nil {
				return
			}
			said := p.log.Secrets().Text(err.Error())
			p.log.Error(said)
			if p.lastErr == reason {
				p.lastErr = said
			}
			if p.rollErr == reason {
				p.rollErr = said
			}
			p.NotifyChanged()
		})
	}()
}

// reap learns how a process ended; first: it is asked for the first time. False: its
// template will tell in a moment.
func (p *Pool) reap(w *worker, first bool) (ws unix.WaitStatus, ok bool) {
	delete(p.reaper.own, w.pid)
	if _, err := unix.Wait4(w.pid, &ws, 0, nil); err == nil || !w.child || w.told != nil || !first {
		if w.told != nil {
			ws = *w.told
		}
		return ws, true
	}
	// Its template reaps it only in a while; until then the kernel tells.
	if code, ok := appdir.ExitStatus(w.pid); ok {
		return unix.WaitStatus(code), true
	}
	p.loop.Remove(w.pidfd)
	w.timer.Do = func() { p.workerExited(w) }
	p.loop.Set(&w.timer, 100*time.Millisecond)
	return ws, false
}

// readFailure reads what a worker that ended before it was ready still said.
func (p *Pool) readFailure(w *worker, s *Slot) {
	for w.failure == nil {
		msg, passed, errno := p.rx.Recv(s.fd)
		if errno != 0 || len(msg) < wsgi.HeaderSize {
			return
		}
		closePassed(passed)
		if msg[0] == wsgi.MsgFailed {
			p.workerFailed(w, msg[wsgi.HeaderSize:])
		}
	}
}

// workerDied: a worker that served is gone unasked.
func (p *Pool) workerDied(w *worker, ws unix.WaitStatus) {
	p.restarts++
	p.hint = ""
	died := fmt.Sprintf("worker %d died: ", w.pid)
	if w.killed != "" {
		p.lastErr = died + "killed: " + w.killed
		p.log.Error(p.lastErr)
	} else {
		p.stats.restarts[restartDied]++
		p.log.Error(died + ExitText(ws))
		w.words.Explain(p.loop, &p.lastErr, died, ws, p.NotifyChanged)
	}
	if !p.spec.Workers.KeepAlive {
		if len(p.workers) == 0 {
			p.log.Info("the last worker exited and workers.keep_alive is false: the master exits")
			p.Stop()
		}
		p.NotifyChanged()
		return
	}
	if d := p.back.Died(p.spec.Restart, time.Duration(p.loop.Now()-w.readyAt)); d > 0 {
		p.wait(d)
	}
	p.reconcile()
}
