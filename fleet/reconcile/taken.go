package reconcile

import (
	"errors"
	"fmt"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// taken says of an address that another process has which app of the fleet that is. An app
// that moves on leaves its address, and the next try gets it. Two that swap theirs wait for
// each other, for ever: a master that serves what another app's old one still does would
// answer in its place, for as long as that app cannot be started anew.
func (a *Applier) taken(app string, err error) error {
	var taken *runner.TakenError
	if !errors.As(err, &taken) {
		return err
	}
	other, at := a.Sockets.Owner(taken.Listen, app)
	if other == "" {
		return err
	}
	if at == taken.Listen {
		at = "there"
	} else {
		at = "on " + at
	}
	return &neighbourError{fmt.Errorf("cannot listen on %s: app %s still listens %s: the address is free once that app has left it; two apps that swap addresses wait for each other: give one of them another address first", taken.Listen, other, at)}
}

// neighbourError says that another app of the fleet has an address. One that leaves it has
// done so in a moment, and until then the next is refused to whoever asks for it there.
type neighbourError struct{ error }

func isNeighbour(err error) bool {
	_, is := errors.AsType[*neighbourError](err)
	return is
}

// Of those tries the first are soon, and the others as of whatever fails.
const (
	soonTries = 10
	soon      = 100 * time.Millisecond
)

// untilNext is how long it is to the next try of what failed for the nth time.
func untilNext(err error, nth int, r appspec.Restart) time.Duration {
	if isNeighbour(err) && nth <= soonTries {
		return min(soon, r.Delay(nth))
	}
	return r.Delay(nth)
}
