package zygote

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/stem"
)

// kind is what apps have in common that may share a zygote.
type kind struct {
	python, user string
	start        func(context.Context) (*zygote, error)

	mu       sync.Mutex
	zygote   *zygote       // nil: there is none
	starting chan struct{} // closed when the start that is under way is over; nil: none is
	failed   string        // the interpreter, as it was when there could be none
	why      string        // there could not
	again    time.Time     // when to try that one again: it was too slow; zero: not at all
}

// pause is how long a zygote that did not start in time is not tried again.
const pause = time.Minute

// hold is how long a master waits for a zygote that starts. It is started without then;
// the zygote is there for the next ones.
const hold = 3 * time.Second

// take is the zygote, which is begun where it is worth it, or why there is none now.
func (k *kind) take(s *Set, worth func() bool) (*zygote, string) {
	over, why := k.begun(s, worth)
	if over == nil {
		return nil, why
	}
	select {
	case <-over:
	case <-time.After(hold):
		return nil, fmt.Sprintf("the process that they are forked from has not started within %s; the next start of the app tries again", hold)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.zygote, k.why
}

// begun is what is closed when there is a zygote, or none could be; nil: none is begun.
func (k *kind) begun(s *Set, worth func() bool) (over chan struct{}, why string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if z := k.zygote; z != nil && (z.stem.Changed() != "" || z.ended()) {
		z.close()
		k.zygote = nil
	}
	if k.zygote != nil {
		over = make(chan struct{})
		close(over)
		return over, ""
	}
	if k.starting != nil {
		return k.starting, ""
	}
	now := stem.Mark(k.python)
	if k.failed == now && (k.again.IsZero() || time.Now().Before(k.again)) {
		return nil, k.why
	}
	if !worth() {
		return nil, fmt.Sprintf("fewer than %d apps of user %s can share it", Least, k.user)
	}
	over = make(chan struct{})
	k.starting = over
	if !s.begin(func(ctx context.Context) { k.run(ctx, s.log, now) }) {
		k.starting = nil
		return nil, "the daemon ends"
	}
	return over, ""
}

// run starts the zygote. now is a Mark of the interpreter.
func (k *kind) run(ctx context.Context, log *slog.Logger, now string) {
	z, err := k.start(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.starting)
	k.starting, k.zygote, k.failed, k.why, k.again = nil, z, "", "", time.Time{}
	if err == nil || ctx.Err() != nil {
		return
	}
	k.failed, k.why = now, err.Error()
	if isSlow(err) {
		k.again = time.Now().Add(pause)
	}
	log.Info("the memory of the interpreter is not shared between apps", "python", k.python, "user", k.user, "err", err)
}

// drop ends the zygote.
func (k *kind) drop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.zygote != nil {
		k.zygote.close()
		k.zygote = nil
	}
}
