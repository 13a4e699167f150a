package reconcile

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/metrics"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

// Reconciler brings apps to their specs, each at most once at a time, several
// at a time. What is queued is a name, never a spec: the truth is read when
// the name's turn comes.
type Reconciler struct {
	pass  func(ctx context.Context, name string, ord Intent, idle func(func())) Outcome
	now   func() time.Time
	slots Slots
	Times metrics.Reconciles
	// After is called after each pass, from its goroutine.
	After func(name string, out Outcome)

	ctx    context.Context // of all passes; cancelled by Close
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // one for each name at work

	mu     sync.Mutex // guards all below
	names  map[string]*workItem
	closed bool
	paused bool
	active int // names queued or at work; while paused, at work
	passes int // that have come to an end
}

// workItem is where one name stands.
type workItem struct {
	intent    Intent
	waiters   []chan<- Outcome // of the next pass; buffered, one send each
	queued    bool
	running   bool
	interrupt context.CancelCauseFunc // of the pass at work; nil: none is
	retry     *time.Timer             // the next try of what failed; nil: none is due
	again     bool                    // a failure of the pass at work is followed by another one at once
	deaths    appspec.Backoff
}

// again is the intent of a try that does not go by how often it was tried before.
var again = Intent{Request: plan.Request{Retry: true}}

// ErrClosing is the cause with which passes end when the daemon ends, ErrPaused
// when it wants to put another program in its place.
var (
	ErrClosing = errors.New("the daemon is ending")
	ErrPaused  = errors.New("the daemon is being upgraded")
)

// NewReconciler makes one that brings apps to their specs by pass. Close ends it.
func NewReconciler(pass func(ctx context.Context, name string, ord Intent, idle func(func())) Outcome, now func() time.Time) *Reconciler {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &Reconciler{
		pass: pass, now: now, slots: NewSlots(), names: map[string]*workItem{}, ctx: ctx, cancel: cancel,
		After: func(string, Outcome) {},
	}
}

// Close interrupts what waits, lets what works come to its end and waits for it.
// The apps run on.
func (r *Reconciler) Close() {
	r.Shut()
	r.wg.Wait()
}

// Life is the context of all that is done: it ends when the daemon ends.
func (r *Reconciler) Life() context.Context { return r.ctx }

// Shut is Close without the wait.
func (r *Reconciler) Shut() {
	r.mu.Lock()
	r.closed = true
	for _, t := range r.names {
		if t.retry != nil {
			t.retry.Stop()
		}
	}
	r.mu.Unlock()
	r.cancel(ErrClosing)
}

// Pause interrupts what waits and keeps anything new from beginning. It returns
// when nothing is at work, or after the limit, with whether that is so. Resume
// takes up again what was interrupted and what has come meanwhile.
func (r *Reconciler) Pause(limit time.Duration) (quiet bool) {
	r.mu.Lock()
	r.paused = true
	for _, t := range r.names {
		if t.interrupt != nil {
			t.interrupt(ErrPaused)
		}
	}
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return r.Quiet(ctx)
}

// Quiet waits until nothing is queued or at work, and tells whether that is so:
// the context may end before.
func (r *Reconciler) Quiet(ctx context.Context) bool {
	for r.Busy() > 0 && ctx.Err() == nil {
		Pause(ctx, 2*time.Millisecond)
	}
	return r.Busy() == 0
}

// QuietOrStuck is quiet that gives up when no pass has come to its end for the
// patience: what is still at work is held up.
func (r *Reconciler) QuietOrStuck(ctx context.Context, patience time.Duration) (quiet bool) {
	last, since := -1, time.Now()
	for ctx.Err() == nil {
		r.mu.Lock()
		active, passes := r.active, r.passes
		r.mu.Unlock()
		if active == 0 {
			return true
		}
		if passes != last {
			last, since = passes, time.Now()
		} else if time.Since(since) > patience {
			return false
		}
		Pause(ctx, 2*time.Millisecond)
	}
	return false
}

// AtWork are the names that are queued or at work.
func (r *Reconciler) AtWork() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, t := range r.names {
		if t.running {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Working tells whether a name is queued or at work.
func (r *Reconciler) Working(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.names[name]
	return t != nil && (t.queued || t.running)
}

// TryAgain takes up now what waits for its next try, and what is at work as soon as it has
// failed: what stood in its way may be going.
func (r *Reconciler) TryAgain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, t := range r.names {
		if t.retry != nil {
			r.enqueue(name, again, false, nil)
		} else {
			t.again = t.running
		}
	}
}

// UnderWay tells whether something is done for a name at the moment, which a newer
// change would interrupt.
func (r *Reconciler) UnderWay(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names[name] != nil && r.names[name].interrupt != nil
}

// Resume takes up again what Pause has kept from beginning.
func (r *Reconciler) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = false
	for name, t := range r.names {
		if t.queued && !t.running {
			r.begin(name, t)
		}
	}
}

// Enqueue puts a name in the queue. With interrupt a pass at work on it gives
// up its waiting, as what it waits for is out of date.
func (r *Reconciler) Enqueue(name string, ord Intent, interrupt bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.enqueue(name, ord, interrupt, nil)
}

// Do makes a pass that begins after the call, and returns where it led.
func (r *Reconciler) Do(ctx context.Context, name string, ord Intent) Outcome {
	ch := make(chan Outcome, 1)
	r.mu.Lock()
	r.enqueue(name, ord, true, ch)
	r.mu.Unlock()
	select {
	case out := <-ch:
		return out
	case <-ctx.Done():
		return Outcome{Err: context.Cause(ctx)}
	}
}

// enqueue needs mu.
func (r *Reconciler) enqueue(name string, ord Intent, interrupt bool, waiter chan<- Outcome) {
	if r.closed {
		if waiter != nil {
			waiter <- Outcome{Err: ErrClosing}
		}
		return
	}
	t := r.names[name]
	if t == nil {
		t = &workItem{}
		r.names[name] = t
	}
	t.intent = t.intent.Merge(ord)
	if waiter != nil {
		t.waiters = append(t.waiters, waiter)
	}
	if interrupt && t.interrupt != nil {
		t.interrupt(ErrSuperseded)
	}
	if t.queued {
		return
	}
	t.queued = true
	if t.running || r.paused {
		return // its goroutine sees queued when the pass is done
	}
	r.begin(name, t)
}

// begin needs mu.
func (r *Reconciler) begin(name string, t *workItem) {
	t.running = true
	r.active++
	r.wg.Add(1)
	go r.work(name, t)
}

// work makes passes over one name until nothing is queued for it.
func (r *Reconciler) work(name string, t *workItem) {
	defer r.wg.Done()
	for {
		r.slots.Take()
		r.mu.Lock()
		if r.closed {
			r.end(name, t)
			r.mu.Unlock()
			r.slots.Give()
			return
		}
		if r.paused {
			t.running = false
			r.active--
			r.mu.Unlock()
			r.slots.Give()
			return
		}
		ord, waiters := t.intent, t.waiters
		t.intent, t.waiters, t.queued = Intent{}, nil, false
		ctx, cancel := context.WithCancelCause(r.ctx)
		t.interrupt = cancel
		if t.retry != nil {
			t.retry.Stop()
			t.retry = nil
		}
		r.mu.Unlock()

		began := time.Now()
		out := r.pass(ctx, name, ord, r.slots.Idle)
		r.Times.Note(time.Since(began), out.Err != nil && !errors.Is(out.Err, ErrSuperseded) && !errors.Is(out.Err, ErrClosing))
		cancel(nil)
		r.slots.Give()
		r.After(name, out)
		r.mu.Lock()
		r.passes++
		r.mu.Unlock()
		if errors.Is(out.Err, ErrPaused) || errors.Is(out.Err, ErrSuperseded) {
			// Not done: what was asked for is taken up again, with what has come
			// meanwhile, unless another program does so. Who waits, waits on.
			if out.Kept {
				ord.Edits = nil
			}
			r.mu.Lock()
			t.interrupt = nil
			t.intent = ord.Merge(t.intent)
			t.waiters = append(waiters, t.waiters...)
			t.queued = true
			r.mu.Unlock()
			continue
		}
		for _, w := range waiters {
			w <- out
		}

		r.mu.Lock()
		t.interrupt = nil
		r.schedule(name, t, out)
		if !t.queued {
			r.end(name, t)
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
	}
}

// end needs mu: nobody works on the name any more.
func (r *Reconciler) end(name string, t *workItem) {
	t.running = false
	r.active--
	for _, w := range t.waiters {
		w <- Outcome{Err: ErrClosing}
	}
	t.waiters = nil
	if t.retry == nil && !t.deaths.Failing() {
		delete(r.names, name)
	}
}

// schedule needs mu: it sets the timer of the next try, or queues it.
func (r *Reconciler) schedule(name string, t *workItem, out Outcome) {
	now := t.again
	t.again = false
	if out.RetryAt.IsZero() || r.closed {
		return
	}
	if now {
		r.enqueue(name, again, false, nil)
		return
	}
	r.later(name, t, out.RetryAt.Sub(r.now()))
}

// later needs mu.
func (r *Reconciler) later(name string, t *workItem, wait time.Duration) {
	if t.retry != nil {
		t.retry.Stop()
	}
	t.retry = time.AfterFunc(max(wait, 0)+time.Millisecond, func() {
		r.Enqueue(name, Intent{}, false)
	})
}

// Died counts the death of a master that nobody stopped, and has its app
// brought back: at once the first time, later if it dies again and again.
func (r *Reconciler) Died(name string, lived time.Duration, restart appspec.Restart) (wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0
	}
	t := r.names[name]
	if t == nil {
		t = &workItem{}
		r.names[name] = t
	}
	wait = t.deaths.Died(restart, lived)
	if wait == 0 {
		r.enqueue(name, Intent{Request: plan.Request{Dead: true}}, true, nil)
	} else {
		r.later(name, t, wait)
	}
	return wait
}

// Busy is the number of names queued or at work.
func (r *Reconciler) Busy() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active
}
