package fleet

import (
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// States of an app beyond those of a master (runner.State).
const (
	StateStopped  = "stopped"
	StateDisabled = "disabled"
	StateInvalid  = "invalid"
	StateWaiting  = "waiting" // a new app that waits for apply
)

// states are all states of an app, in the order in which those who count apps tell them,
// with how bad each is.
var states = []struct {
	name string
	bad  int
}{
	{string(runner.StateReady), 4},
	{string(runner.StateUpdating), 5},
	{string(runner.StateIdle), 3},
	{string(runner.StateStarting), 7},
	{string(runner.StateDegraded), troubled},
	{string(runner.StateBackoff), troubled + 2},
	{string(runner.StateStopping), 6},
	{StateStopped, 2},
	{StateDisabled, 1},
	{StateInvalid, troubled + 1},
	{StateWaiting, 0},
}

// troubled is how bad a state is at which an operator must look, or worse.
const troubled = 8

// States are all states of an app, in the order in which those who count apps tell them.
func States() []string {
	all := make([]string, len(states))
	for i, s := range states {
		all[i] = s.name
	}
	return all
}

// StatesWorstFirst are all states of an app, those before the others at which an operator
// must look.
func StatesWorstFirst() []string {
	all := States()
	slices.SortFunc(all, func(a, b string) int { return badness(b) - badness(a) })
	return all
}

// trouble ranks the states at which an operator must look; 0: there is no need.
func trouble(state string) int { return max(badness(state)-troubled+1, 0) }

func badness(state string) int {
	for _, s := range states {
		if s.name == state {
			return s.bad
		}
	}
	return 0
}
