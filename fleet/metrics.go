package fleet

import (
	"context"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// scrapeTimeout is how long a scrape waits for masters. One that has not
// answered by then is down as far as metrics go; the others are not held up.
const scrapeTimeout = 3 * time.Second

// scrapeWidth is how many masters are asked at a time: many, since most of what
// a scrape does is waiting.
const scrapeWidth = 64

// appSample is one app at the time of a scrape.
type appSample struct {
	status AppStatus
	master *Seen // nil: none stands for it
}

// answers tells whether its master told something.
func (s *appSample) answers() bool { return s.master != nil && s.master.Err == nil }

// scrape asks every master, with a limit for all of them together.
func (e *engine) scrape(ctx context.Context) []appSample {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	names := e.names()
	all := make([]appSample, len(names))
	set, _ := e.snapshot()
	front := e.front(set)
	parallel(len(names), scrapeWidth, func(i int) {
		w, o := e.look(ctx, names[i])
		cur, _ := standing(o, digestOf(w.Spec))
		all[i] = appSample{status: appStatus(w, o, true, e.now()), master: cur}
		if w.Spec != nil && w.Spec.Enabled {
			all[i].status.certificates(w.Spec, e.now())
			all[i].status.managed(e.store.CertificatesDir(), managedHosts(w.Spec, front), true, e.now())
		}
	})
	return slices.DeleteFunc(all, func(s appSample) bool { return s.status.Name == "" })
}

// reconcileBounds are the buckets of wsgid_fleet_reconcile_seconds.
var reconcileBounds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}

// passTimes counts the passes of the reconciler.
type passTimes struct {
	mu     sync.Mutex // guards what follows
	counts []uint64   // not cumulative
	sum    float64
	failed uint64
}

func (p *passTimes) note(d time.Duration, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counts == nil {
		p.counts = make([]uint64, len(reconcileBounds)+1)
	}
	i, _ := slices.BinarySearch(reconcileBounds, d.Seconds())
	p.counts[i]++
	p.sum += d.Seconds()
	if failed {
		p.failed++
	}
}

// histogram is the passes, cumulative, the seconds of all, and how many have failed.
func (p *passTimes) histogram() (counts []uint64, sum float64, failed uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts = make([]uint64, len(reconcileBounds)+1)
	var total uint64
	for i := range counts {
		if p.counts != nil {
			total += p.counts[i]
		}
		counts[i] = total
	}
	return counts, p.sum, p.failed
}

// metrics is all that is told, in the order in which it is written.
func (d *Daemon) metrics(ctx context.Context) []metricFamily {
	samples := d.e.scrape(ctx)
	faults := 0
	if set, err := d.e.snapshot(); err != nil {
		faults = 1
	} else {
		faults = len(set.Faults)
	}
	samples, gate := splitGate(samples)
	out := fleetFamilies(d.opts.Version, samples, faults, &d.rec.times)
	out = append(out, appFamilies(samples, d.e.now())...)
	out = append(out, gateFamilies(gate)...)
	return append(out, processFamilies(d.since)...)
}

// states are all that an app can be in.
var states = []string{
	string(runner.StateReady), string(runner.StateUpdating), string(runner.StateIdle), string(runner.StateStarting), string(runner.StateDegraded),
	string(runner.StateBackoff), string(runner.StateStopping), StateStopped, StateDisabled, StateInvalid, StateWaiting,
}

func fleetFamilies(version string, samples []appSample, faults int, times *passTimes) []metricFamily {
	build := gaugeFamily("wsgid_build_info", "The program that the daemon runs; always 1.")
	build.add(1, "version", version)
	apps := gaugeFamily("wsgid_fleet_apps", "Apps of the fleet by state.")
	count := map[string]int{}
	for i := range samples {
		count[samples[i].status.State]++
	}
	for _, s := range states {
		apps.add(float64(count[s]), "state", s)
	}
	errs := gaugeFamily("wsgid_fleet_spec_errors", "Broken spec files and apps in the spec directory.")
	errs.add(float64(faults))
	counts, sum, failed := times.histogram()
	passes := histogramFamily("wsgid_fleet_reconcile_seconds", "What it took to bring an app to its spec, waits for its workers included.")
	passes.addHistogram(reconcileBounds, counts, sum)
	bad := counterFamily("wsgid_fleet_reconcile_failures_total", "Attempts to bring an app to its spec that failed.")
	bad.add(float64(failed))
	return []metricFamily{build, apps, errs, passes, bad}
}

// workerStates are all that a worker can be in.
var workerStates = []runner.WorkerState{runner.WorkerStarting, runner.WorkerIdle, runner.WorkerBusy, runner.WorkerDraining}

// appFamilies is what is told of apps and workers. A series of a master that
// does not answer is left out, but for wsgid_app_up, wsgid_app_state and those of
// its certificates.
func appFamilies(samples []appSample, now time.Time) []metricFamily {
	up := gaugeFamily("wsgid_app_up", "1 where the app serves requests, or would start a worker for one, else 0.")
	state := gaugeFamily("wsgid_app_state", "1 for the state that the app is in.")
	requests := counterFamily("wsgid_app_requests_total", "Requests answered, by status code; 499: the client went away before an answer.")
	statics := counterFamily("wsgid_app_static_requests_total", "Requests for static files answered without the app, by status code; not among wsgid_app_requests_total.")
	staticBytes := counterFamily("wsgid_app_static_bytes_total", "Bytes of the bodies of those answers.")
	durations := histogramFamily("wsgid_app_request_duration_seconds", "Time from a request being complete to the end of its response, the wait for a worker included.")
	waiting := gaugeFamily("wsgid_app_requests_waiting", "Requests that wait for a worker.")
	active := gaugeFamily("wsgid_app_requests_active", "Requests that wait or are being served.")
	rejected := counterFamily("wsgid_app_requests_rejected_total", "Requests answered 503 because no worker was free in time.")
	timeouts := counterFamily("wsgid_app_request_timeouts_total", "Requests answered 504 because they took longer than workers.request_timeout.")
	workers := gaugeFamily("wsgid_app_workers", "Workers by state.")
	least := gaugeFamily("wsgid_app_workers_min", "The least number of workers that is wanted.")
	most := gaugeFamily("wsgid_app_workers_max", "The largest number of workers that is wanted.")
	restarts := counterFamily("wsgid_app_worker_restarts_total", "Workers replaced though nobody asked for it, by reason.")
	memory := gaugeFamily("wsgid_app_memory_bytes", "Resident memory of the app's master and workers, and of its processes.")
	started := gaugeFamily("wsgid_app_start_time_seconds", "When the app's master was started, since the Unix epoch.")
	lost := counterFamily("wsgid_app_log_lines_lost_total", "Lines of the app's log that could not be written.")
	health := gaugeFamily("wsgid_app_health", "1 where the last health check got a good answer, else 0.")
	expiry := gaugeFamily("wsgid_certificate_expiry_timestamp_seconds", "When a certificate of the app expires, since the Unix epoch.")
	renewal := gaugeFamily("wsgid_certificate_renewal_timestamp_seconds", "When the daemon renews a certificate that it has got, since the Unix epoch.")
	failures := gaugeFamily("wsgid_certificate_failures", "Attempts in a row to get a certificate for a name that came to nothing; 0: the last one was good.")
	schedules := newScheduleFamilies()
	pUp := gaugeFamily("wsgid_process_up", "1 where a process beside the workers runs, else 0.")
	pRestarts := counterFamily("wsgid_process_restarts_total", "How often the process ended though nobody asked for it.")
	pMemory := gaugeFamily("wsgid_process_memory_bytes", "Resident memory of the process, without what it has started.")
	wRequests := counterFamily("wsgid_worker_requests_total", "Requests that the worker has served.")
	wMemory := gaugeFamily("wsgid_worker_memory_bytes", "Resident memory of the worker.")
	wStarted := gaugeFamily("wsgid_worker_start_time_seconds", "When the worker was started, since the Unix epoch.")
	wCurrent := gaugeFamily("wsgid_worker_current_request_seconds", "Age of the oldest request that the worker is at; 0: it is at none.")

	bounds := runner.DurationBounds()
	for i := range samples {
		s := &samples[i]
		app := s.status.Name
		state.add(1, "app", app, "state", s.status.State)
		up.add(oneIf(s.answers() && s.master.serving()), "app", app)
		seen := map[string]bool{} // one may serve several listeners
		for _, c := range s.status.Certificates {
			if !c.Expires.IsZero() && !seen[c.Cert] {
				seen[c.Cert] = true
				expiry.add(unixSeconds(c.Expires), "app", app, "cert", c.Cert)
			}
			if c.Host != "" {
				failures.add(float64(c.Failures), "app", app, "host", c.Host)
				if !c.Renew.IsZero() {
					renewal.add(unixSeconds(c.Renew), "app", app, "host", c.Host)
				}
			}
		}
		if !s.answers() {
			continue
		}
		st := &s.master.Status
		if c := st.Counters; c != nil {
			byCode(requests, app, c.Codes)
			if len(c.Static) > 0 {
				byCode(statics, app, c.Static)
				staticBytes.add(float64(c.StaticBytes), "app", app)
			}
			if len(c.Buckets) == len(bounds)+1 {
				durations.addHistogram(bounds, c.Buckets, c.Seconds, "app", app)
			}
			reasons := make([]string, 0, len(c.Restarts))
			for r := range c.Restarts {
				reasons = append(reasons, r)
			}
			slices.Sort(reasons)
			for _, r := range reasons {
				restarts.add(float64(c.Restarts[r]), "app", app, "reason", r)
			}
		}
		waiting.add(float64(st.Requests.Waiting), "app", app)
		active.add(float64(st.Requests.Active), "app", app)
		rejected.add(float64(st.Requests.Rejected), "app", app)
		timeouts.add(float64(st.Requests.Timeouts), "app", app)
		least.add(float64(st.Min), "app", app)
		most.add(float64(st.Max), "app", app)
		started.add(unixSeconds(s.master.Since), "app", app)
		lost.add(float64(st.LogLost), "app", app)
		if st.Health != nil {
			health.add(oneIf(st.Health.OK), "app", app)
		}
		in := map[runner.WorkerState]int{}
		bytes := st.RSS
		for _, w := range st.Workers {
			in[w.State]++
			bytes += w.RSS
			pid := strconv.Itoa(w.PID)
			wRequests.add(float64(w.Requests), "app", app, "pid", pid)
			wMemory.add(float64(w.RSS), "app", app, "pid", pid)
			wStarted.add(unixSeconds(w.Since), "app", app, "pid", pid)
			age := 0.0
			for _, c := range w.Current {
				age = max(age, now.Sub(c.Since).Seconds())
			}
			wCurrent.add(age, "app", app, "pid", pid)
		}
		for _, p := range st.Processes {
			labels := []string{"app", app, "process", p.Name, "number", strconv.Itoa(p.Number)}
			pUp.add(oneIf(p.State == runner.ProcessRunning), labels...)
			pRestarts.add(float64(p.Restarts), labels...)
			pMemory.add(float64(p.RSS), labels...)
			bytes += p.RSS
		}
		for _, s := range st.Schedules {
			schedules.add(app, s)
		}
		for _, ws := range workerStates {
			workers.add(float64(in[ws]), "app", app, "state", string(ws))
		}
		memory.add(float64(bytes), "app", app)
	}
	return append([]metricFamily{
		up, state, requests, statics, staticBytes, durations, waiting, active, rejected, timeouts, workers, least, most, restarts, memory, started,
		lost, health, expiry, renewal, failures, wRequests, wMemory, wStarted, wCurrent, pUp, pRestarts, pMemory,
	}, schedules.all()...)
}

// byCode adds a series for each status.
func byCode(f metricFamily, app string, counts map[int]uint64) {
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		f.add(float64(counts[code]), "app", app, "code", strconv.Itoa(code))
	}
}

// processFamilies are the daemon itself, by the names that every client
// library of Prometheus gives them.
func processFamilies(since time.Time) []metricFamily {
	start := gaugeFamily("process_start_time_seconds", "When the daemon was started, since the Unix epoch.")
	start.add(unixSeconds(since))
	memory := gaugeFamily("process_resident_memory_bytes", "Resident memory of the daemon.")
	cpu := counterFamily("process_cpu_seconds_total", "Processor time that the daemon has used.")
	fds := gaugeFamily("process_open_fds", "Open file descriptors of the daemon.")
	if rss, ok := residentMemory(); ok {
		memory.add(rss)
	}
	if s, ok := processorSeconds(); ok {
		cpu.add(s)
	}
	if es, err := os.ReadDir("/proc/self/fd"); err == nil {
		fds.add(float64(len(es) - 1)) // one of them is the look itself
	}
	return []metricFamily{start, memory, cpu, fds}
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
