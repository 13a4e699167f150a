package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
)

// challenges are what the gates answer a certificate authority now. A gate that is
// started later, or takes over, is told too.
type challenges struct {
	mu  sync.Mutex // one telling at a time; guards now
	now *gate.Challenges
}

// challenged is a master that is a gate.
type challenged interface {
	Challenge(ctx context.Context, c *gate.Challenges) error
}

// challengeLimit is how long a gate may take to note what it is told.
const challengeLimit = 10 * time.Second

// challenge has every gate that runs answer by c, and by nothing else, from its return.
// nil: there is nothing to be answered.
func (e *engine) challenge(ctx context.Context, c *gate.Challenges) error {
	e.challenges.mu.Lock()
	defer e.challenges.mu.Unlock()
	e.challenges.now = c
	return e.tellChallenges(ctx)
}

// challengeAgain tells the gates what they are to answer, where there is anything: one
// of them is new.
func (e *engine) challengeAgain() {
	e.challenges.mu.Lock()
	defer e.challenges.mu.Unlock()
	if e.challenges.now == nil {
		return
	}
	if err := e.tellChallenges(context.Background()); err != nil {
		e.log.Warn("a certificate authority may not get answers to its challenges", "err", err)
	}
}

func (e *engine) tellChallenges(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, challengeLimit)
	defer cancel()
	gates, err := e.machine.Find(e.store.Dir, appspec.GateName)
	errs := []error{err}
	for _, m := range gates {
		if g, ok := m.(challenged); ok {
			if err := g.Challenge(ctx, e.challenges.now); err != nil && m.Alive() {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
