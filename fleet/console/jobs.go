package console

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

const (
	// maxJobs is how many are remembered; those that have ended go first.
	maxJobs = 64
	// maxRunning is how many may go on at a time.
	maxRunning = 16
	// maxSteps is how many events of one are kept, the last ones.
	maxSteps = 200
)

var errBusy = errors.New("cannot do it now: too many requests are already running; wait until some have finished")

// job is something that somebody has asked for. It goes on when the page is closed.
type job struct {
	ID, What, By string
	Began        time.Time

	mu      sync.Mutex
	ended   time.Time // guarded by mu, as all below; zero: it goes on
	steps   []fleet.Event
	results []fleet.Result
	err     string
}

// state is a copy of what there is.
func (j *job) state() (steps []fleet.Event, results []fleet.Result, err string, ended time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.steps), j.results, j.err, j.ended
}

func (j *job) step(ev fleet.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.steps) >= maxSteps {
		j.steps = append(j.steps[:0], j.steps[1:]...)
	}
	j.steps = append(j.steps, ev)
}

func (j *job) over() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return !j.ended.IsZero()
}

// jobs are those that are remembered.
type jobs struct {
	mu  sync.Mutex
	all []*job // guarded by mu; the newest last
}

type doing func(ctx context.Context, progress func(fleet.Event)) ([]fleet.Result, error)

// begin has f done. after is called when it has ended and before anybody is told.
func (js *jobs) begin(ctx context.Context, what, by string, f doing, after func(*job)) (*job, error) {
	js.mu.Lock()
	defer js.mu.Unlock()
	running := 0
	for _, j := range js.all {
		if !j.over() {
			running++
		}
	}
	if running >= maxRunning {
		return nil, errBusy
	}
	if len(js.all) >= maxJobs {
		i := slices.IndexFunc(js.all, (*job).over)
		js.all = slices.Delete(js.all, i, i+1)
	}
	j := &job{ID: random()[:16], What: what, By: by, Began: time.Now()}
	js.all = append(js.all, j)
	go func() {
		results, err := f(ctx, j.step)
		after(j)
		j.mu.Lock()
		defer j.mu.Unlock()
		j.results, j.ended = results, time.Now()
		if err != nil {
			j.err = err.Error()
		}
	}()
	return j, nil
}

func (js *jobs) find(id string) *job {
	js.mu.Lock()
	defer js.mu.Unlock()
	for _, j := range js.all {
		if j.ID == id {
			return j
		}
	}
	return nil
}
