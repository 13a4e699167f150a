package plan

import (
	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// Plan is what apply would do. Empty Actions and Changes in every app: nothing.
type Plan struct {
	Apps   []AppPlan       `json:"apps"`
	Faults []hclspec.Fault `json:"faults"` // files that are broken; their apps keep their last good spec
	// Warnings are what an operator should know of the specs together, a sentence each.
	Warnings []string `json:"warnings,omitempty"`
}

// AppPlan is the part of one app: pure, made by MakePlan.
type AppPlan struct {
	App        string             `json:"app"`
	File       string             `json:"file"`
	Disruption appspec.Disruption `json:"disruption"`
	Why        string             `json:"why"` // one line
	Changes    []appspec.Change   `json:"changes"`
	Actions    []Action           `json:"actions"`
	// Error is what will keep the plan from being carried out, or the fault of
	// the app's file; empty: nothing known.
	Error string `json:"error,omitempty"`

	Stays      string `json:"-"` // why it goes on in another folder than its path says; empty: it does not
	CurrentPID int    `json:"-"` // pid of the master that the actions speak of
	Held       bool   `json:"-"` // the spec is not tried now: it failed, see Observed.Failure
	Done       bool   `json:"-"` // the master runs by the spec already, and nothing is wrong
	Digest     string `json:"-"` // of the spec
	Folder     string `json:"-"` // see Surroundings
	// Upkeep: all that is to be done brings it back to what was applied already. The
	// daemon does so by itself, when it is time.
	Upkeep bool `json:"-"`
}

// ActionKind says what an action does.
type ActionKind string

// The kinds.
const (
	ActionRepair  ActionKind = "repair"  // put the app folder right
	ActionStart   ActionKind = "start"   // start a master
	ActionUpdate  ActionKind = "update"  // hand the spec to the running master, nothing restarted
	ActionRoll    ActionKind = "roll"    // hand it over and replace the workers, new ones first
	ActionReplace ActionKind = "replace" // start a new master, then drain the old one
	ActionStop    ActionKind = "stop"    // drain and stop
	ActionScale   ActionKind = "scale"   // set the numbers of workers
	ActionRetry   ActionKind = "retry"   // end the back-off of workers that cannot start
	ActionRetire  ActionKind = "retire"  // drain a master that another one stands for
	ActionListen  ActionKind = "listen"  // open the sockets; the first connection starts the master
	ActionRest    ActionKind = "rest"    // let the master go; the next connection starts another
)

// kinds is what is known of each kind.
var kinds = map[ActionKind]struct {
	upkeep bool // the daemon does it by itself, for a spec that was applied
	word   word // see AppPlan.Kind
}{
	ActionRepair:  {true, wordLast},
	ActionStart:   {true, wordFirst},
	ActionUpdate:  {false, wordDisruption},
	ActionRoll:    {false, wordDisruption},
	ActionReplace: {false, wordDisruption},
	ActionStop:    {false, wordFirst},
	ActionScale:   {false, wordOwn},
	ActionRetry:   {true, wordOwn},
	ActionRetire:  {true, wordOwn},
	ActionListen:  {true, wordOwn},
	ActionRest:    {true, wordOwn},
}

// word is which word an action gives the whole plan of an app.
type word int

const (
	wordOwn        word = iota // its own
	wordLast                   // its own, where no other action has one
	wordFirst                  // its own, whatever follows
	wordDisruption             // that of the disruption
)

// Action is one step of an app's plan.
type Action struct {
	Kind   ActionKind `json:"kind"`
	Reason string     `json:"reason"`
	Detail []string   `json:"detail,omitempty"` // what a repair touches, path by path

	Spec  *appspec.Spec  `json:"-"` // of a start: another one than the wanted; nil: that one
	Scale *state.Desired `json:"-"` // numbers that an operator ordered; nil: none
}
