package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
)

// DeployOrder is what an operator wants deployed.
type DeployOrder struct {
	App string `json:"app"`
	// Ref is deployed instead of the spec's commit: a tag or an object id; empty:
	// what the spec says.
	Ref string `json:"ref,omitempty"`
	// Back goes to an earlier release instead: that of the deploy To, or the one
	// before the current.
	Back bool   `json:"back,omitempty"`
	To   string `json:"to,omitempty"`
	Wait bool   `json:"wait,omitempty"` // for another deploy of the app to end
	By   string `json:"by,omitempty"`   // who asks
	// Order is what the asker calls it, to find it again at another daemon. It goes by
	// the URL: a daemon of before does without.
	Order string `json:"-"`
	// part is this host's in a deploy on many; nil: it is all of it.
	part *cluster.Task
}

// Verb is what is asked for, as messages say it.
func (o DeployOrder) Verb() string {
	if o.Back {
		return "roll back"
	}
	return "deploy"
}

// lockRetry is how often a deploy that waits for another one looks.
const lockRetry = 200 * time.Millisecond

// lockPatience is how long a lock may still be held by a process that was killed an
// instant ago: a child that it was about to start has it too.
const lockPatience = time.Second

// lockBook takes the lock of an app's deploys; wait: whenever the deploy that has it
// ends, and held is called, once, with who has it.
func lockBook(ctx context.Context, book *deploy.Book, who string, wait bool, held func(*deploy.LockedError)) (func(), error) {
	told := false
	for end := time.Now().Add(lockPatience); ; {
		unlock, err := book.Lock(who)
		var locked *deploy.LockedError
		if err == nil || !errors.As(err, &locked) || !wait && time.Now().After(end) {
			return unlock, err
		}
		if wait && !told {
			told = true
			held(locked)
		}
		pause := lockRetry
		if !wait {
			pause /= 10
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// who says in the lock who has it.
func (o DeployOrder) who() string {
	return fmt.Sprintf("%s of %s since %s", o.Verb(), o.By, time.Now().UTC().Format(time.RFC3339))
}
