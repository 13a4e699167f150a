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

// challenge has every gate that runs answer by these, and by nothing else, from its return.
// nil: there is nothing to be answered.
func (c *core) challenge(ctx context.Context, answers *gate.Challenges) error {
	c.challenges.mu.Lock()
	defer c.challenges.mu.Unlock()
	c.challenges.now = answers
	return c.tellChallenges(ctx)
}

// challengeAgain tells the gates what they are to answer, where there is anything: one
// of them is new.
func (c *core) challengeAgain() {
	c.challenges.mu.Lock()
	defer c.challenges.mu.Unlock()
	if c.challenges.now == nil {
		return
	}
	if err := c.tellChallenges(context.Background()); err != nil {
		c.Log.Warn("a certificate authority may not get answers to its challenges", "err", err)
	}
}

func (c *core) tellChallenges(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, challengeLimit)
	defer cancel()
	gates, err := c.Machine.Find(c.Store.Dir, appspec.GateName)
	errs := []error{err}
	for _, m := range gates {
		if g, ok := m.(challenged); ok {
			if err := g.Challenge(ctx, c.challenges.now); err != nil && m.Alive() {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
