package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

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

func lockBook(ctx context.Context, book *deploy.Book, o DeployOrder) (func(), error) {
	who := strings.TrimSpace(fmt.Sprintf("%s of %s since %s", o.Verb(), o.By, time.Now().UTC().Format(time.RFC3339)))
	for {
		unlock, err := book.Lock(who)
		var locked *deploy.LockedError
		if err == nil || !o.Wait || !errors.As(err, &locked) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(lockRetry):
		}
	}
}
