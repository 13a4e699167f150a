package fleet

import "github.com/wsgid-fleet/wsgid-fleet/runner"

// States of an app beyond those of a master (runner.State).
const (
	StateStopped  = "stopped"
	StateDisabled = "disabled"
	StateInvalid  = "invalid"
	StateWaiting  = "waiting" // a new app that waits for apply
)

// States are all states of an app, in the order in which those who count apps tell them.
func States() []string {
	return []string{
		string(runner.StateReady), string(runner.StateUpdating), string(runner.StateIdle), string(runner.StateStarting), string(runner.StateDegraded),
		string(runner.StateBackoff), string(runner.StateStopping), StateStopped, StateDisabled, StateInvalid, StateWaiting,
	}
}

// StatesWorstFirst are all states of an app, those before the others at which an operator
// must look.
func StatesWorstFirst() []string {
	return []string{
		string(runner.StateBackoff), StateInvalid, string(runner.StateDegraded), string(runner.StateStarting), string(runner.StateStopping),
		string(runner.StateUpdating), string(runner.StateReady), string(runner.StateIdle), StateStopped, StateDisabled, StateWaiting,
	}
}

// trouble ranks the states at which an operator must look; 0: there is no need.
func trouble(state string) int {
	switch state {
	case string(runner.StateBackoff):
		return 3
	case StateInvalid:
		return 2
	case string(runner.StateDegraded):
		return 1
	}
	return 0
}
