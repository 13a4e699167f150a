package fleet

import (
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// defaultDataDir is the data directory that goes with a state directory. The
// machine's (or the user's) own has runner.DefaultDataDir; any other has one
// inside it, so that two fleets on one machine never share their data by
// accident.
func defaultDataDir(stateDir string) string {
	if d := runner.DefaultDataDir(); d != "" && stateDir == runner.DefaultStateDir() {
		return d
	}
	return state.InnerData(stateDir)
}

// DataDirs are the directories that hold the fleet's data, or one of them does: see
// openStore.
func (o Options) DataDirs() []string {
	o = o.withDefaults()
	if !o.dataChosen {
		return []string{o.DataDir}
	}
	return slices.Compact([]string{o.DataDir, state.InnerData(o.StateDir)})
}

// openStore opens the two directories of a fleet. A data directory that nobody
// has named and that cannot be used (a read-only disk, a user without a home) is
// no reason not to run: the state directory holds the data then, and that is
// said.
func openStore(o Options) (*state.Store, error) {
	s, err := state.Open(o.fs, o.StateDir, o.DataDir)
	if err == nil || !o.dataChosen || o.DataDir == state.InnerData(o.StateDir) {
		return s, err
	}
	inner, ierr := state.Open(o.fs, o.StateDir, state.InnerData(o.StateDir))
	if ierr != nil {
		return nil, err
	}
	o.Log.Warn(err.Error(), "instead", inner.Data,
		"next", "name a directory that survives a reboot with --data-dir: last good specs, stop and scale are kept there")
	return inner, nil
}
