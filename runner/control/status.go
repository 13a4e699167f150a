package control

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
)

// State of an app as its master sees it, in the words of status -o json (package fleet,
// States, which has more of them).
type State string

// States of an app.
const (
	StateStarting State = "starting" // no worker is ready yet, none has failed
	StateReady    State = "ready"    // serving as specified
	StateUpdating State = "updating" // serving, and a change is being carried out: no fault
	StateIdle     State = "idle"     // min = 0: no worker, the first request starts one
	StateDegraded State = "degraded" // serving, but not as specified
	StateBackoff  State = "backoff"  // not serving; a retry is due at RetryAt
	StateStopping State = "stopping" // draining; the process ends when done
)

// WorkerState is the state of one worker.
type WorkerState string

// States of a worker.
const (
	WorkerStarting WorkerState = "starting"
	WorkerIdle     WorkerState = "idle"
	WorkerBusy     WorkerState = "busy"
	WorkerDraining WorkerState = "draining"
)

// Status is what a master tells of its app.
type Status struct {
	// Version grows with every change of state, worker set or spec, but not with
	// the counters: a client that saw it can wait for the next one.
	Version    uint64    `json:"version"`
	App        string    `json:"app"`
	PID        int       `json:"pid"`
	Since      time.Time `json:"since"`
	Program    string    `json:"program"` // version of the program the master runs
	Generation int       `json:"generation"`
	SpecDigest string    `json:"spec_digest"` // of the spec its workers run, see Digest
	// WantDigest is that of the spec it was given last. It differs from
	// SpecDigest during a rollout, and after one that was given up.
	WantDigest string `json:"want_digest"`
	// Folder tells the app folder that it works in from another one at its path.
	Folder    string         `json:"folder,omitempty"`
	State     State          `json:"state"`
	Reason    string         `json:"reason"`
	RetryAt   time.Time      `json:"retry_at,omitzero"`
	Min       int            `json:"min"`
	Max       int            `json:"max"`
	RSS       int64          `json:"rss"`                // bytes, of the master alone
	Stem      int            `json:"stem,omitempty"`     // the process that workers are forked from; 0: there is none
	Unforked  string         `json:"unforked,omitempty"` // why new workers are not forked from one; empty: they are, or nobody does
	Workers   []WorkerInfo   `json:"workers"`
	Processes []ProcessInfo  `json:"processes,omitempty"` // what runs beside the workers
	Schedules []ScheduleInfo `json:"schedules,omitempty"` // what runs at times
	Requests  RequestCounts  `json:"requests"`
	Restarts  int            `json:"restarts"` // workers that died unasked
	LastError string         `json:"last_error"`
	Traceback string         `json:"traceback"` // of the last worker that could not start: Python's, or the place, and what to do
	// Next is what to do about Reason, where that is known and is not said there.
	Next string `json:"next,omitempty"`
	// Rollout is the generation of workers that is being rolled out; 0 where
	// none is. RolloutError is why the last one was given up; a later success
	// clears it.
	Rollout      int           `json:"rollout"`
	RolloutError string        `json:"rollout_error"`
	Health       *HealthStatus `json:"health,omitempty"` // last answer to a health check
	Scaled       string        `json:"scaled,omitempty"` // last decision on the number of workers, and why
	Loaded       string        `json:"loaded"`           // what the loader found: "django blog.wsgi:application"
	// Suspended: no worker runs and no client has been connected for
	// workers.idle_timeout, so that whoever keeps the listeners may let the master
	// go, too.
	Suspended bool      `json:"resting,omitempty"`
	Counters  *Counters `json:"counters,omitempty"`
	// Gate is what a gate has counted; nil: it is a master of an app.
	Gate *gate.Counts `json:"gate,omitempty"`
	// Warnings are what an operator should know of an app that serves well, a
	// sentence each.
	Warnings []string `json:"warnings,omitempty"`
	LogError string   `json:"log_error,omitempty"` // why lines of the log are lost, or go to another target
	LogLost  uint64   `json:"log_lost,omitempty"`  // lines since the master started
}

// ProcessState is the state of a process beside the workers.
type ProcessState string

// States of a process.
const (
	ProcessWaiting  ProcessState = "waiting"  // for the workers, or for the one in whose place it comes
	ProcessStarting ProcessState = "starting" // being started
	ProcessRunning  ProcessState = "running"
	ProcessStopping ProcessState = "stopping" // told to stop, or what it has left behind is
	ProcessBackoff  ProcessState = "backoff"  // started again at RetryAt
)

// ProcessInfo is one process beside the workers, of a process block.
type ProcessInfo struct {
	Name      string       `json:"name"`
	Number    int          `json:"number"` // from 1, of Count
	Count     int          `json:"count"`
	PID       int          `json:"pid"` // 0: it does not run
	State     ProcessState `json:"state"`
	Since     time.Time    `json:"since,omitzero"`
	RSS       int64        `json:"rss"`        // bytes, of the process that was started
	Restarts  int          `json:"restarts"`   // how often it ended unasked
	LastError string       `json:"last_error"` // how it ended last, or why it could not be started
	RetryAt   time.Time    `json:"retry_at,omitzero"`
}

// Title is how people see it: the name, with the number where there are several.
func (p *ProcessInfo) Title() string { return ProcessTitle(p.Name, p.Number, p.Count) }

// ProcessTitle is Title.
func ProcessTitle(name string, number, count int) string {
	if count < 2 {
		return name
	}
	return name + "." + strconv.Itoa(number)
}

// ScheduleInfo is what runs at times, of a schedule block.
type ScheduleInfo struct {
	Name  string       `json:"name"`
	PID   int          `json:"pid"` // of the run that is under way, and began last; 0: none is
	Since time.Time    `json:"since,omitzero"`
	Next  time.Time    `json:"next,omitzero"`   // when it is run next
	Waits string       `json:"waits,omitempty"` // for what, in place of Next
	Last  *ScheduleRun `json:"last,omitempty"`  // the run that ended last
	// Triggered is the run that an operator ordered last, which may be under way.
	Triggered *ScheduleRun `json:"triggered,omitempty"`
	Runs      uint64       `json:"runs"`    // that have ended
	Failed    uint64       `json:"failed"`  // of them
	Missed    uint64       `json:"missed"`  // times that came while nobody could run it
	Skipped   uint64       `json:"skipped"` // times at which a run of before was under way
	// LastMissed and LastSkipped are the times of the last of those.
	LastMissed  time.Time `json:"last_missed,omitzero"`
	LastSkipped time.Time `json:"last_skipped,omitzero"`
}

// Running tells whether a run is under way, be it one of the master before.
func (s *ScheduleInfo) Running() bool { return !s.Since.IsZero() }

// ScheduleRun is one run of a schedule.
type ScheduleRun struct {
	Due    time.Time `json:"due"` // when it was to begin
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended,omitzero"`
	Failed bool      `json:"failed"`
	Result string    `json:"result"` // how it ended, in words
	// Order is of one that an operator ordered; empty: its time came.
	Order string `json:"order,omitempty"`
}

// Took is how long it took. A run that was still under way when the clock was set back, and
// whose end another master has written down, took no less than nothing.
func (r *ScheduleRun) Took() time.Duration { return max(0, r.Ended.Sub(r.Began)) }

// Triggered answers an order to run a schedule now.
type Triggered struct {
	Run     ScheduleRun // that has begun, or has ended already
	Refused string      // why there is none
	Later   bool        // refused for now: another master, or this one in a moment, may run it
}

// WorkerInfo is one worker of a Status.
type WorkerInfo struct {
	PID      int         `json:"pid"`
	State    WorkerState `json:"state"`
	Since    time.Time   `json:"since"`
	Requests uint64      `json:"requests"`
	RSS      int64       `json:"rss"` // bytes
	// Current are the requests it is at, one for each thread that is busy.
	Current     []CurrentRequest `json:"current,omitempty"`
	Threads     int              `json:"threads,omitempty"`
	Errors      uint64           `json:"errors,omitempty"`       // of Requests, answered 5xx
	Bytes       uint64           `json:"bytes,omitempty"`        // of the bodies it sent
	WorkSeconds float64          `json:"work_seconds,omitempty"` // spent at requests
}

// CurrentRequest is a request that a worker is at.
type CurrentRequest struct {
	Request string    `json:"request"` // "GET /path"
	Since   time.Time `json:"since"`
}

// Totals are the few numbers of an app that a master tells with a sign of life.
type Totals struct {
	Requests uint64 `json:"requests"` // since the master started, those for static files among them
	Errors   uint64 `json:"errors"`   // of them, answered 5xx or cut off
	Busy     int    `json:"busy"`     // workers at a request
	RSS      int64  `json:"rss"`      // bytes, of master, workers and processes
}

// Totals are those of a status.
func (st *Status) Totals() Totals {
	t := Totals{Requests: st.Requests.Total + st.Requests.Static, Errors: st.Requests.Errors, RSS: st.RSS}
	for i := range st.Workers {
		t.RSS += st.Workers[i].RSS
		if st.Workers[i].State == WorkerBusy {
			t.Busy++
		}
	}
	for i := range st.Processes {
		t.RSS += st.Processes[i].RSS
	}
	return t
}

// ThreadStack is where a thread of a worker is that is at a request.
type ThreadStack struct {
	PID     int       `json:"pid"`
	Thread  int       `json:"thread"` // of the worker, from 1
	Request string    `json:"request"`
	Since   time.Time `json:"since"`
	// Stack are its calls, the most recent one first: File "PATH", line N in FUNCTION.
	Stack []string `json:"stack"`
	// Problem is why they are not known; empty: they are.
	Problem string `json:"problem,omitempty"`
}

// RequestCounts counts since the master started; the quantiles are of the
// recent past.
type RequestCounts struct {
	Total    uint64  `json:"total"`
	Errors   uint64  `json:"errors"` // answered 5xx, or cut off
	Waiting  int     `json:"waiting"`
	Active   int     `json:"active"`
	Rejected uint64  `json:"rejected"` // 503: queue full or queue_timeout
	Timeouts uint64  `json:"timeouts"` // 504
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	// PerSecond is the rate of the last ten seconds.
	PerSecond float64 `json:"per_second,omitempty"`
	// Static counts those for static files, answered without the app and not in Total.
	Static uint64 `json:"static,omitempty"`
}

// HealthStatus is the last answer to a health check.
type HealthStatus struct {
	At     time.Time `json:"at"`
	PID    int       `json:"pid"`
	OK     bool      `json:"ok"`
	Answer string    `json:"answer"` // "200 in 3 ms", or what went wrong
}

// placed matches a place, as wsgi.Failure.Summary says it.
var placed = regexp.MustCompile(` \((/[^()]+?)(?:, line (\d+))?\)`)

// WithoutPlace is a reason without its place, for where a text follows, such as a
// traceback, that tells the same place.
func WithoutPlace(reason, text string) string {
	for _, m := range placed.FindAllStringSubmatch(reason, -1) {
		place := `File "` + m[1] + `"`
		if m[2] != "" {
			place += ", line " + m[2]
		}
		if strings.Contains(text, place) {
			reason = strings.Replace(reason, m[0], "", 1)
		}
	}
	return reason
}
