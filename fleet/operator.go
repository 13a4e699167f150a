package fleet

import (
	"context"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
)

// Operator is what the commands can ask of a fleet. Client asks the daemon,
// Local does it in this process where no daemon runs; Connect chooses.
//
// An empty list of apps means all of them. The channel-like progress function
// is called from one goroutine; nil: not wanted. A Result that is not OK is
// not an error: err is for what kept the command itself from running.
type Operator interface {
	Plan(ctx context.Context, apps []string) (*plan.Plan, error)
	Apply(ctx context.Context, apps []string, progress func(Event)) ([]Result, error)
	Start(ctx context.Context, apps []string, progress func(Event)) ([]Result, error)
	Stop(ctx context.Context, apps []string, progress func(Event)) ([]Result, error)
	Restart(ctx context.Context, apps []string, progress func(Event)) ([]Result, error)
	Reload(ctx context.Context, apps []string, progress func(Event)) ([]Result, error)
	Scale(ctx context.Context, counts map[string]int, progress func(Event)) ([]Result, error)
	// Trigger runs a schedule of an app now.
	Trigger(ctx context.Context, o TriggerOrder, progress func(Event)) ([]Result, error)
	// Deploy brings code here, or goes back to a release that is here. A context
	// that ends asks it to stop where nothing is touched yet.
	Deploy(ctx context.Context, o DeployOrder, progress func(Event)) ([]Result, error)
	// Deploys is the logbook of apps, the newest first.
	Deploys(ctx context.Context, apps []string) ([]*deploy.Entry, error)
	Status(ctx context.Context) (*Status, error)
	// Stacks tells where the requests of an app are that are at work, by asking the
	// threads that serve them.
	Stacks(ctx context.Context, app string) ([]runner.ThreadStack, error)
	Close() error
}

// Event is one step on the way of an app, for people to follow.
type Event struct {
	At      time.Time `json:"at"`
	App     string    `json:"app"`
	State   string    `json:"state"`
	Message string    `json:"message"`
	// Deploy and Stage are of a deploy under way: the id of its entry in the
	// logbook, and the stage that begins or has ended.
	Deploy string              `json:"deploy,omitempty"`
	Stage  *deploy.StageRecord `json:"stage,omitempty"`
}

// Result is how a command ended for one app.
type Result struct {
	App       string `json:"app"`
	OK        bool   `json:"ok"`
	State     string `json:"state"`
	Reason    string `json:"reason"`
	Traceback string `json:"traceback"` // the last lines of the Python traceback, if one is the reason
	// Warnings are those of the app, see AppStatus.
	Warnings []string `json:"warnings,omitempty"`
	// Deploy is the entry of a deploy or rollback in the logbook.
	Deploy *deploy.Entry `json:"deploy,omitempty"`
	// Schedule and Run are of a schedule that was run now.
	Schedule string              `json:"schedule,omitempty"`
	Run      *runner.ScheduleRun `json:"run,omitempty"`
	// URLs are where a deployed app is reached.
	URLs []string `json:"urls,omitempty"`
}

// Status is the answer of status -o json.
type Status struct {
	Version string        `json:"version"`
	Daemon  *DaemonStatus `json:"daemon"` // nil: none runs
	Apps    []AppStatus   `json:"apps"`
	Gate    *GateStatus   `json:"gate,omitempty"` // nil: no spec file has a gate
	// Faults are broken files that name no app of their own.
	Faults []hclspec.Fault `json:"faults,omitempty"`
	// Warnings are as in a Plan.
	Warnings []string `json:"warnings,omitempty"`

	calm calm // what the next look can take over
}

// DaemonStatus is the running daemon.
type DaemonStatus struct {
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
	Dir   string    `json:"dir"`
	// Hold tells that edits wait for apply.
	Hold bool `json:"hold,omitempty"`
}

// AppStatus is one app: what runs against what should.
type AppStatus struct {
	Name string `json:"name"`
	// Environment is the name of the environment block that it comes from.
	Environment string `json:"environment,omitempty"`

	Path   string `json:"path"`
	File   string `json:"file"`
	State  string `json:"state"`
	Reason string `json:"reason"`
	// Next is what to do about Reason, where that is known and Reason does not say it.
	Next       string                `json:"next,omitempty"`
	Generation int                   `json:"generation"`
	Desired    state.Desired         `json:"desired"`
	Sockets    []SocketStatus        `json:"sockets"`
	Master     *MasterStatus         `json:"master"` // nil: none runs
	Workers    []runner.WorkerInfo   `json:"workers"`
	Processes  []runner.ProcessInfo  `json:"processes,omitempty"` // what runs beside the workers
	Schedules  []runner.ScheduleInfo `json:"schedules,omitempty"` // what runs at times
	Requests   runner.RequestCounts  `json:"requests"`
	Restarts   int                   `json:"restarts"`
	LastError  string                `json:"last_error"`
	// Waiting is the edit that waits for apply, a sentence; empty: none does.
	Waiting string `json:"waiting,omitempty"`
	// Stacks are where its requests are, if somebody has asked for that.
	Stacks []runner.ThreadStack `json:"stacks,omitempty"`
	// Health is the last answer to a health check, nil where none is asked for.
	Health *runner.HealthStatus `json:"health,omitempty"`
	// Scaled is the last decision on the number of workers, and why.
	Scaled string `json:"scaled,omitempty"`
	// LogError is why lines of its log are lost, or go elsewhere than they should.
	LogError string `json:"log_error,omitempty"`
	// Warnings are what an operator should know of an app that serves well, a
	// sentence each.
	Warnings []string `json:"warnings,omitempty"`
	// Release is the code that a deploy brought and that should serve; nil: it is
	// no deploy's.
	Release *appspec.Release `json:"release,omitempty"`
	// Certificates are those of its HTTPS listeners.
	Certificates []CertificateStatus `json:"certificates,omitempty"`

	gate *gate.Counts // of the gate, which is kept as an app is
}

// CertificateStatus is one certificate of an app.
type CertificateStatus struct {
	Cert    string    `json:"cert"`
	Expires time.Time `json:"expires,omitzero"`
	Problem string    `json:"problem,omitempty"` // what is wrong, or will be soon
	// Of one that the daemon gets: the name that it is for, who gave it, when it is
	// renewed, what has failed in a row, and when it is tried again.
	Host     string    `json:"host,omitempty"`
	Issuer   string    `json:"issuer,omitempty"`
	Renew    time.Time `json:"renew,omitzero"`
	Failures int       `json:"failures,omitempty"`
	RetryAt  time.Time `json:"retry_at,omitzero"`
}

// SocketStatus is one socket of an app.
type SocketStatus struct {
	Kind   string `json:"kind"` // http, mongrel2, or host: a name by which the gate brings connections
	Listen string `json:"listen,omitempty"`
	Recv   string `json:"recv,omitempty"`
	Send   string `json:"send,omitempty"`
}

// MasterStatus is the master process.
type MasterStatus struct {
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
	RSS   int64     `json:"rss"`
	// Stem is the process that workers are forked from; 0: each starts by itself.
	Stem int `json:"stem,omitempty"`
	// Unforked is why new workers are not forked from such a process; empty: they are,
	// or nobody does.
	Unforked string `json:"unforked,omitempty"`
}
