package process

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/cron"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
)

// Schedules is what of an app runs at times.
type Schedules struct {
	Loop    *evloop.Loop
	Log     *applog.Log
	Pool    *pool.Pool                                // has the other children of the master
	Spawner *pool.Spawner                             // starts them
	View    func(*appspec.Spec) *appspec.Spec         // the spec as they see it
	Zone    func(name string) (*time.Location, error) // of that name
	Lock    *Lock                                     // of who decides
	RunLock func(name string) *Lock                   // of a schedule while it runs
	Read    func() ([]byte, error)                    // what Write wrote last, by whichever master
	Writer  func() func([]byte) error                 // is called on the loop, what it returns is not
	Changed func()                                    // their state has changed
	Emptied func()                                    // stopping, and the last run has ended

	spec     *appspec.Spec
	up       bool
	loaded   bool // it is this master that decides
	all      []*schedule
	runs     []*run
	alarm    alarm
	again    evloop.Timer // the next try to get the lock
	waits    string       // what for
	left     bool         // another master decides from here on
	stopping bool

	// Of the record, which is written beside the loop: a disk may take its time.
	writing bool
	wanted  []func() // called when what is so now is written
	failed  string   // why the last write was in vain
}

// schedule is one block.
type schedule struct {
	set   *Schedules
	block appspec.Schedule
	line  *cron.Schedule
	zone  *time.Location
	fault string // why it cannot be run
	next  time.Time
	rec   scheduleRecord
	held  *Lock // of a run that has ended, see keep; nil: none was
}

// scheduleRecord is what the next master must know of it.
type scheduleRecord struct {
	Cron        string               `json:"cron"`
	Timezone    string               `json:"timezone"`
	Past        time.Time            `json:"past"`              // all times up to here are decided upon
	Running     *control.ScheduleRun `json:"running,omitempty"` // began last, and its end was not heard of
	Last        *control.ScheduleRun `json:"last,omitempty"`
	Triggered   *control.ScheduleRun `json:"triggered,omitempty"` // by an order, the last; it may be under way
	Runs        uint64               `json:"runs"`
	Failed      uint64               `json:"failed"`
	Missed      uint64               `json:"missed"`
	Skipped     uint64               `json:"skipped"`
	LastMissed  time.Time            `json:"last_missed,omitzero"`
	LastSkipped time.Time            `json:"last_skipped,omitzero"`
}

// Follow has run at their times what the spec says. It begins where the app is up for
// the first time.
func (s *Schedules) Follow(spec *appspec.Spec, up bool) {
	if s.left || spec == s.spec && (up == s.up || s.up) {
		return
	}
	first := s.spec == nil
	s.spec, s.up = spec, s.up || up
	if first {
		s.again.Do = s.begin
		s.alarm.init(s.Loop, s.look)
	}
	before := s.all
	s.all = make([]*schedule, 0, len(spec.Schedules))
	for i := range spec.Schedules {
		b := spec.Schedules[i]
		at := slices.IndexFunc(before, func(e *schedule) bool { return e.block.Name == b.Name })
		if at < 0 {
			s.all = append(s.all, s.open(b, scheduleRecord{}))
			continue
		}
		e := before[at]
		if e.block.Cron != b.Cron || e.block.Timezone != b.Timezone {
			held := e.held
			e = s.open(b, e.rec)
			e.held = held
			for _, r := range s.runs {
				if r.of == before[at] {
					r.of = e
				}
			}
		}
		e.block = b
		s.all = append(s.all, e)
	}
	if s.loaded {
		s.look()
		s.save(nil)
		return
	}
	s.begin()
}

// open is a schedule whose times count from now on, unless the record has them.
func (s *Schedules) open(b appspec.Schedule, rec scheduleRecord) *schedule {
	e := &schedule{set: s, block: b, rec: rec}
	var err error
	if e.line, err = cron.Parse(b.Cron); err == nil {
		e.zone, err = s.Zone(b.Timezone)
	}
	if err != nil {
		e.fault = err.Error()
		s.Log.Error(fmt.Sprintf("schedule %s never runs: %s", b.Name, e.fault))
	}
	if e.rec.Cron != b.Cron || e.rec.Timezone != b.Timezone || e.rec.Past.IsZero() {
		e.rec.Cron, e.rec.Timezone, e.rec.Past = b.Cron, b.Timezone, time.Now()
	}
	return e
}

// begin has this master decide, once the one before does no more.
func (s *Schedules) begin() {
	if !s.up || s.left || s.loaded || len(s.all) == 0 {
		return
	}
	ok, err := s.Lock.take()
	switch {
	case err != nil:
		if s.waits != err.Error() {
			s.Log.Error(err.Error() + "; the schedules of the app wait until it does")
		}
		s.waits = err.Error()
		s.Loop.Set(&s.again, time.Second)
		return
	case !ok:
		s.waits = "the previous master still has them"
		s.Loop.Set(&s.again, lockPause)
		return
	}
	s.waits, s.loaded = "", true
	b, err := s.Read()
	records := map[string]scheduleRecord{}
	if err == nil {
		err = appspec.JSONReason(json.Unmarshal(b, &records))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Log.Error(fmt.Sprintf("cannot read the record of earlier runs: %v; runs missed meanwhile are not reported", err))
	}
	for i, e := range s.all {
		if rec, ok := records[e.block.Name]; ok {
			s.all[i] = s.open(e.block, rec)
			s.all[i].collect()
		}
	}
	s.look()
	s.save(nil)
}

// look runs what is due, and waits for what comes next.
func (s *Schedules) look() {
	if s.left || !s.loaded {
		return
	}
	var next time.Time
	for _, e := range s.all {
		if e.fault != "" {
			continue
		}
		e.look(time.Now())
		if !e.next.IsZero() && (next.IsZero() || e.next.Before(next)) {
			next = e.next
		}
	}
	if len(s.all) == 0 {
		s.alarm.stop()
	} else if err := s.alarm.set(next); err != nil {
		s.Log.Error(err.Error() + "; the schedules of the app do not run")
	}
	s.Changed()
}

func (e *schedule) look(now time.Time) {
	d := decide(e.line, e.rec.Past, now.In(e.zone))
	e.next = d.next
	if d.wrong {
		e.set.Log.Warn(fmt.Sprintf("schedule %s: the clock was set back from after %s: using the current time", e.block.Name, e.shown(e.rec.Past)))
	}
	if d.past.Equal(e.rec.Past) {
		return
	}
	e.rec.Past = d.past
	if d.missed > 0 {
		e.rec.Missed += uint64(d.missed)
		e.rec.LastMissed = d.last
		what := "the run of " + e.shown(d.last) + " was missed"
		if d.missed > 1 {
			what = fmt.Sprintf("%d runs were missed, from %s to %s", d.missed, e.shown(d.first), e.shown(d.last))
		}
		e.set.Log.Warn(fmt.Sprintf("schedule %s: %s: the app or the machine was down then, or the clock was set; the next one is at %s", e.block.Name, what, e.shown(d.next)))
	}
	if d.run.IsZero() {
		e.set.save(nil)
		return
	}
	e.run(d.run)
}

// shown is a time as people of the schedule's zone write it.
func (e *schedule) shown(t time.Time) string {
	switch {
	case t.IsZero():
		return "no time"
	case e.zone == nil:
		return t.Format(time.RFC3339)
	}
	return t.In(e.zone).Format("2006-01-02 15:04 MST")
}

// run begins the run of a time.
func (e *schedule) run(due time.Time) {
	s := e.set
	e.collect()
	r, before := e.claim(due, "")
	if r == nil {
		e.rec.Skipped++
		e.rec.LastSkipped = due
		s.Log.Warn(fmt.Sprintf("schedule %s: the run of %s is skipped: %s is still running", e.block.Name, e.shown(due), cmp.Or(before, "one of before")))
		s.save(nil)
		return
	}
	e.begin(r)
}

// save writes the record, and calls then when what is so now is in it.
func (s *Schedules) save(then func()) {
	if s.left {
		if then != nil {
			then()
		}
		return
	}
	if then == nil {
		then = func() {}
	}
	s.wanted = append(s.wanted, then)
	if !s.writing {
		s.writing = true
		s.Loop.Post(s.write) // what else this turn brings is written with it
	}
}

func (s *Schedules) write() {
	done := s.wanted
	s.wanted = nil
	records := make(map[string]*scheduleRecord, len(s.all))
	for _, e := range s.all {
		records[e.block.Name] = &e.rec
	}
	b, err := json.Marshal(records)
	write := s.Writer()
	go func() {
		if err == nil {
			err = write(b)
		}
		s.Loop.Post(func() { s.written(done, err) })
	}()
}

func (s *Schedules) written(done []func(), err error) {
	s.writing = false
	if err != nil {
		s.failed = fmt.Sprintf("cannot record the run: %v; a master that replaces this one may run it again", err)
		s.Log.Error(s.failed)
	} else {
		s.failed = ""
	}
	for _, f := range done {
		f()
	}
	switch {
	case len(s.wanted) > 0:
		s.writing = true
		s.write()
	case s.left:
		s.Lock.release()
		s.ended()
	}
}

// Leave has another master decide from here on. What runs goes on.
func (s *Schedules) Leave() {
	if s.left {
		return
	}
	s.left, s.loaded = true, false
	s.Loop.Clear(&s.again)
	s.alarm.stop()
	if !s.writing {
		s.Lock.release() // else with what is being written
	}
}

// Finish calls emptied when no run is under way any more, which may be before it
// returns; where stop is set, they are told to stop.
func (s *Schedules) Finish(stop bool, emptied func()) {
	s.Leave()
	s.stopping, s.Emptied = true, emptied
	if stop {
		s.Stop()
	}
	s.ended()
}

// Stop has the runs end that are under way.
func (s *Schedules) Stop() {
	for _, r := range slices.Clone(s.runs) {
		r.retire()
	}
}

func (s *Schedules) ended() {
	if len(s.runs) > 0 || s.writing || !s.stopping {
		return
	}
	if emptied := s.Emptied; emptied != nil {
		s.Emptied = nil
		emptied()
	}
}
