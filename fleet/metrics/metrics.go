package metrics

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
)

// Fleet is what is told of, at the time of a scrape.
type Fleet struct {
	Version    string // of the daemon's program
	Since      time.Time
	Now        time.Time
	States     []string // all that an app can be in
	Faults     int      // broken spec files and apps in the spec directory
	Apps       []App
	Gate       *App // nil: there is none
	Reconciles *Reconciles
}

// App is one app, or the gate.
type App struct {
	Name, State  string
	Certificates []Certificate
	Serves       bool // its master answers requests, or would start a worker for one
	Started      time.Time
	Status       *runner.Status // of its master; nil: none answers
	Gate         *gate.Counts   // of the gate
}

// Certificate is one of an app; what is not known is zero.
type Certificate struct {
	File     string
	Expires  time.Time
	Host     string // of one that the daemon gets
	Renew    time.Time
	Failures int
	Problem  bool // status tells of it
}

// families are all that is told, in the order in which it is written.
func (f *Fleet) families() []family {
	out := fleetFamilies(f)
	out = append(out, appFamilies(f.Apps, f.Now)...)
	out = append(out, gateFamilies(f.Gate)...)
	return append(out, processFamilies(f.Since)...)
}

func fleetFamilies(f *Fleet) []family {
	build := gauge("wsgid_build_info", "The program that the daemon runs; always 1.")
	build.add(1, "version", f.Version)
	apps := gauge("wsgid_fleet_apps", "Apps of the fleet by state.")
	count := map[string]int{}
	for i := range f.Apps {
		count[f.Apps[i].State]++
	}
	for _, s := range f.States {
		apps.add(float64(count[s]), "state", s)
	}
	errs := gauge("wsgid_fleet_spec_errors", "Broken spec files and apps in the spec directory.")
	errs.add(float64(f.Faults))
	counts, sum, failed := f.Reconciles.cumulated()
	passes := histogram("wsgid_fleet_reconcile_seconds", "What it took to bring an app to its spec, waits for its workers included.")
	passes.addHistogram(reconcileBounds, counts, sum)
	bad := counter("wsgid_fleet_reconcile_failures_total", "Attempts to bring an app to its spec that failed.")
	bad.add(float64(failed))
	return []family{build, apps, errs, passes, bad}
}
