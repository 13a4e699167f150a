package fleet

import (
	"context"
	"errors"
	"time"
)

// afterUpgrade is how long a command that may be given twice waits for a daemon in the
// place of the one that it has lost: one that executes itself anew resets the
// connections that it has accepted, and serves again within a second.
const afterUpgrade = 5 * time.Second

// again asks until a daemon is not lost in the middle, five times at most. What ask does
// may be done twice. The error is the first daemon's.
func (c *Client) again(ctx context.Context, ask func() error) error {
	var first error
	for range fruitless {
		err := ask()
		if _, lost := errors.AsType[*lostError](err); !lost {
			return err
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil || !c.reconnect(ctx, afterUpgrade) {
			break
		}
	}
	return first
}

func (c *Client) getAgain(ctx context.Context, path string, v any) error {
	return c.again(ctx, func() error { return c.get(ctx, path, v) })
}

// commandAgain is for what ends in the same state when it is done twice.
func (c *Client) commandAgain(ctx context.Context, verb string, cmd command, progress func(Event)) (results []Result, err error) {
	err = c.again(ctx, func() (err error) {
		results, err = c.command(ctx, verb, cmd, progress)
		return err
	})
	return results, err
}
