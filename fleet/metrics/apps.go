package metrics

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// workerStates are all that a worker can be in.
var workerStates = []runner.WorkerState{runner.WorkerStarting, runner.WorkerIdle, runner.WorkerBusy, runner.WorkerDraining}

// appFamilies is what is told of apps and workers. A series of a master that
// does not answer is left out, but for wsgid_app_up, wsgid_app_state and those of
// its certificates.
func appFamilies(apps []App, now time.Time) []family {
	up := gauge("wsgid_app_up", "1 where the app serves requests, or would start a worker for one, else 0.")
	state := gauge("wsgid_app_state", "1 for the state that the app is in.")
	requests := counter("wsgid_app_requests_total", "Requests answered, by status code; 499: the client went away before an answer.")
	statics := counter("wsgid_app_static_requests_total", "Requests for static files answered without the app, by status code; not among wsgid_app_requests_total.")
	staticBytes := counter("wsgid_app_static_bytes_total", "Bytes of the bodies of those answers.")
	durations := histogram("wsgid_app_request_duration_seconds", "Time from a request being complete to the end of its response, the wait for a worker included.")
	waiting := gauge("wsgid_app_requests_waiting", "Requests that wait for a worker.")
	active := gauge("wsgid_app_requests_active", "Requests that wait or are being served.")
	rejected := counter("wsgid_app_requests_rejected_total", "Requests answered 503 because no worker was free in time.")
	timeouts := counter("wsgid_app_request_timeouts_total", "Requests answered 504 because they took longer than workers.request_timeout.")
	workers := gauge("wsgid_app_workers", "Workers by state.")
	least := gauge("wsgid_app_workers_min", "The least number of workers that is wanted.")
	most := gauge("wsgid_app_workers_max", "The largest number of workers that is wanted.")
	restarts := counter("wsgid_app_worker_restarts_total", "Workers replaced without a request to, by reason.")
	memory := gauge("wsgid_app_memory_bytes", "Resident memory of the app's master and workers, and of its processes.")
	started := gauge("wsgid_app_start_time_seconds", "When the app's master was started, since the Unix epoch.")
	lost := counter("wsgid_app_log_lines_lost_total", "Lines of the app's log that could not be written.")
	health := gauge("wsgid_app_health", "1 where the last health check got a good answer, else 0.")
	expiry := gauge("wsgid_certificate_expiry_timestamp_seconds", "When a certificate of the app expires, since the Unix epoch.")
	renewal := gauge("wsgid_certificate_renewal_timestamp_seconds", "When the daemon renews a certificate that it has got, since the Unix epoch.")
	failures := gauge("wsgid_certificate_failures", "Attempts in a row to get a certificate for a name that came to nothing; 0: the last one was good.")
	schedules := newScheduleFamilies()
	pUp := gauge("wsgid_process_up", "1 where a process beside the workers runs, else 0.")
	pRestarts := counter("wsgid_process_restarts_total", "Unexpected exits of the process.")
	pMemory := gauge("wsgid_process_memory_bytes", "Resident memory of the process, without what it has started.")
	wRequests := counter("wsgid_worker_requests_total", "Requests that the worker has served.")
	wMemory := gauge("wsgid_worker_memory_bytes", "Resident memory of the worker.")
	wStarted := gauge("wsgid_worker_start_time_seconds", "When the worker was started, since the Unix epoch.")
	wCurrent := gauge("wsgid_worker_current_request_seconds", "Age of the oldest request that the worker is at; 0: it is at none.")

	bounds := runner.DurationBounds()
	for i := range apps {
		s := &apps[i]
		app := s.Name
		state.add(1, "app", app, "state", s.State)
		up.add(oneIf(s.Serves), "app", app)
		seen := map[string]bool{} // one may serve several listeners
		for _, c := range s.Certificates {
			if !c.Expires.IsZero() && !seen[c.File] {
				seen[c.File] = true
				expiry.add(unixSeconds(c.Expires), "app", app, "cert", c.File)
			}
			if c.Host != "" {
				failures.add(float64(c.Failures), "app", app, "host", c.Host)
				if !c.Renew.IsZero() {
					renewal.add(unixSeconds(c.Renew), "app", app, "host", c.Host)
				}
			}
		}
		if s.Status == nil {
			continue
		}
		st := s.Status
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
		started.add(unixSeconds(s.Started), "app", app)
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
	return append([]family{
		up, state, requests, statics, staticBytes, durations, waiting, active, rejected, timeouts, workers, least, most, restarts, memory, started,
		lost, health, expiry, renewal, failures, wRequests, wMemory, wStarted, wCurrent, pUp, pRestarts, pMemory,
	}, schedules.all()...)
}

// byCode adds a series for each status.
func byCode(f family, app string, counts map[int]uint64) {
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		f.add(float64(counts[code]), "app", app, "code", strconv.Itoa(code))
	}
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
