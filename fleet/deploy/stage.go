package deploy

import (
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Stage names, in the order in which a deploy goes through them. Those of the
// spec stand between by their own names, see Step and appspec.OwnStages.
const (
	StageFetch      = "fetch"
	StageUnpack     = "unpack"
	StageVirtualenv = "virtualenv"
	StageInstall    = "install"
	StageCompile    = "compile"
	StageDatabase   = "database"
	StageRollout    = "rollout"
	StageHealth     = "health"
	StageSwitch     = "switch"
	StagePrune      = "prune"
)

// Step is one stage of one deploy.
type Step struct {
	Name  string         // of the stage
	Title string         // what it does, for people: "Fetch the code"
	Stage *appspec.Stage // a stage of the spec; nil: one of ours
}

// Before says that nothing that serves was touched when this step fails.
func (s Step) Before() bool {
	switch {
	case s.Stage != nil:
		return s.Stage.When != "after"
	default:
		return !s.reverts() && s.Name != StageSwitch && s.Name != StagePrune
	}
}

// reverts says that the release from before serves again when this step fails.
func (s Step) reverts() bool {
	return s.Stage == nil && (s.Name == StageRollout || s.Name == StageHealth)
}

// Steps are those that a deploy of this spec goes through. It is pure.
func Steps(spec *appspec.Spec) []Step {
	d := spec.Deploy
	steps := []Step{
		{Name: StageFetch, Title: "Fetch the code"},
		{Name: StageUnpack, Title: "Unpack the release"},
	}
	if needsVirtualenv(d) {
		steps = append(steps, Step{Name: StageVirtualenv, Title: "Make the virtualenv"})
	}
	if d.Install {
		steps = append(steps, Step{Name: StageInstall, Title: "Install the project"})
	}
	steps = append(steps, Step{Name: StageCompile, Title: "Compile the code"})
	if spec.Database != nil {
		steps = append(steps, Step{Name: StageDatabase, Title: "Make the database"})
	}
	steps = append(steps, own(d, "before")...)
	steps = append(steps,
		Step{Name: StageRollout, Title: "Start the new release"},
		Step{Name: StageHealth, Title: "Ask for its health"},
		Step{Name: StageSwitch, Title: "Switch to the new release"})
	steps = append(steps, own(d, "after")...)
	return append(steps, Step{Name: StagePrune, Title: "Remove old releases"})
}

// RollbackSteps are those of a rollback: no stage of the spec runs, as the code of
// an earlier release knows nothing of what later ones did to the database.
func RollbackSteps() []Step {
	return []Step{
		{Name: StageRollout, Title: "Start the earlier release"},
		{Name: StageHealth, Title: "Ask for its health"},
		{Name: StageSwitch, Title: "Switch to the earlier release"},
	}
}

// needsVirtualenv: a spec with nothing to install runs on its plain interpreter,
// or on the virtualenv that it names.
func needsVirtualenv(d *appspec.Deploy) bool { return d.Install || len(d.Requirements) > 0 }

func own(d *appspec.Deploy, when string) []Step {
	var steps []Step
	for i := range d.Stages {
		if s := &d.Stages[i]; s.When == when {
			steps = append(steps, Step{Name: s.Name, Title: "Run " + s.Name, Stage: s})
		}
	}
	return steps
}

// Fate is what becomes of a deploy that ended in the middle.
type Fate int

// The fates.
const (
	Leave  Fate = iota // it had ended
	GiveUp             // nothing that serves was touched: mark it, remove its folder
	Finish             // its release may serve: bring the app to it, or go back
)

// FateOf says what is to become of an entry of the logbook that nobody works at
// any more, with the release that should serve now. It is pure.
func FateOf(e *Entry, current *Record) Fate {
	switch {
	case e.Result != ResultRunning:
		return Leave
	case current != nil && current.Deploy == e.ID:
		return Finish
	default:
		return GiveUp
	}
}

// prunable are the releases that may go: all but the newest keep good ones, the
// one that is being deployed among them, and those that something still runs
// from. Failed ones count for nothing. It is pure; book is newest first.
func prunable(book []*Entry, keep int, inUse []string) []string {
	var out []string
	good := 0
	for _, e := range book {
		used := slices.Contains(inUse, e.Release)
		switch {
		case e.Release == "" || e.Kind != KindDeploy || e.Pruned:
		case e.Result == ResultRunning:
			if used {
				good++
			}
		case e.Result == ResultOK && good < keep:
			good++
		case !used:
			out = append(out, e.Release)
		}
	}
	return out
}
