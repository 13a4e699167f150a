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
	var answer []App
	for _, a := range apps {
		up.add(oneIf(a.Serves), "app", a.Name)
		state.add(1, "app", a.Name, "state", a.State)
		if a.Status != nil {
			answer = append(answer, a)
		}
	}
	return slices.Concat([]family{up, state}, certificateFamilies(apps), masterFamilies(answer), requestFamilies(answer), workerFamilies(answer, now),
		besideFamilies(answer), scheduleFamilies(answer))
}

func certificateFamilies(apps []App) []family {
	expiry := gauge("wsgid_certificate_expiry_timestamp_seconds", "When a certificate of the app expires, since the Unix epoch.")
	problem := gauge("wsgid_certificate_problem", problemHelp)
	renewal := gauge("wsgid_certificate_renewal_timestamp_seconds", "When the daemon renews a certificate that it has got, since the Unix epoch.")
	failures := gauge("wsgid_certificate_failures", "Attempts in a row to get a certificate for a name that came to nothing; 0: the last one was good.")
	for _, a := range apps {
		addExpiries(expiry, problem, a.Certificates, "app", a.Name)
		for _, c := range a.Certificates {
			if c.Host == "" {
				continue
			}
			failures.add(float64(c.Failures), "app", a.Name, "host", c.Host)
			if !c.Renew.IsZero() {
				renewal.add(unixSeconds(c.Renew), "app", a.Name, "host", c.Host)
			}
		}
	}
	return []family{expiry, problem, renewal, failures}
}

// problemHelp tells when a certificate is a problem: of one that lives for days alone not for
// as long as it has no more than a week.
const problemHelp = "1 where status tells of the certificate, as it has expired, ends soon or was not renewed, else 0."

// addExpiries adds a series for each file: one may serve several listeners.
func addExpiries(expiry, problem family, certs []Certificate, labels ...string) {
	seen := map[string]bool{}
	for _, c := range certs {
		if !c.Expires.IsZero() && !seen[c.File] {
			seen[c.File] = true
			expiry.add(unixSeconds(c.Expires), append(labels, "cert", c.File)...)
			problem.add(oneIf(c.Problem), append(labels, "cert", c.File)...)
		}
	}
}

func masterFamilies(apps []App) []family {
	memory := gauge("wsgid_app_memory_bytes", "Resident memory of the app's master and workers, and of its processes.")
	started := gauge("wsgid_app_start_time_seconds", "When the app's master was started, since the Unix epoch.")
	lost := counter("wsgid_app_log_lines_lost_total", "Lines of the app's log that could not be written.")
	health := gauge("wsgid_app_health", "1 where the last health check got a good answer, else 0.")
	for _, a := range apps {
		bytes := a.Status.RSS
		for _, w := range a.Status.Workers {
			bytes += w.RSS
		}
		for _, p := range a.Status.Processes {
			bytes += p.RSS
		}
		memory.add(float64(bytes), "app", a.Name)
		started.add(unixSeconds(a.Started), "app", a.Name)
		lost.add(float64(a.Status.LogLost), "app", a.Name)
		if h := a.Status.Health; h != nil {
			health.add(oneIf(h.OK), "app", a.Name)
		}
	}
	return []family{memory, started, lost, health}
}

func requestFamilies(apps []App) []family {
	requests := counter("wsgid_app_requests_total", "Requests answered, by status code; 499: the client went away before an answer.")
	statics := counter("wsgid_app_static_requests_total", "Requests for static files answered without the app, by status code; not among wsgid_app_requests_total.")
	staticBytes := counter("wsgid_app_static_bytes_total", "Bytes of the bodies of those answers.")
	durations := histogram("wsgid_app_request_duration_seconds", "Time from a request being complete to the end of its response, the wait for a worker included.")
	waiting := gauge("wsgid_app_requests_waiting", "Requests that wait for a worker.")
	active := gauge("wsgid_app_requests_active", "Requests that wait or are being served.")
	rejected := counter("wsgid_app_requests_rejected_total", "Requests answered 503 because no worker was free in time.")
	timeouts := counter("wsgid_app_request_timeouts_total", "Requests answered 504 because they took longer than workers.request_timeout.")
	bounds := runner.DurationBounds()
	for _, a := range apps {
		if c := a.Status.Counters; c != nil {
			addByCode(requests, a.Name, c.Codes)
			if len(c.Static) > 0 {
				addByCode(statics, a.Name, c.Static)
				staticBytes.add(float64(c.StaticBytes), "app", a.Name)
			}
			if len(c.Buckets) == len(bounds)+1 {
				durations.addHistogram(bounds, c.Buckets, c.Seconds, "app", a.Name)
			}
		}
		r := a.Status.Requests
		waiting.add(float64(r.Waiting), "app", a.Name)
		active.add(float64(r.Active), "app", a.Name)
		rejected.add(float64(r.Rejected), "app", a.Name)
		timeouts.add(float64(r.Timeouts), "app", a.Name)
	}
	return []family{requests, statics, staticBytes, durations, waiting, active, rejected, timeouts}
}

func workerFamilies(apps []App, now time.Time) []family {
	workers := gauge("wsgid_app_workers", "Workers by state.")
	least := gauge("wsgid_app_workers_min", "The least number of workers that is wanted.")
	most := gauge("wsgid_app_workers_max", "The largest number of workers that is wanted.")
	restarts := counter("wsgid_app_worker_restarts_total", "Workers replaced without a request to, by reason.")
	requests := counter("wsgid_worker_requests_total", "Requests that the worker has served.")
	memory := gauge("wsgid_worker_memory_bytes", "Resident memory of the worker.")
	started := gauge("wsgid_worker_start_time_seconds", "When the worker was started, since the Unix epoch.")
	current := gauge("wsgid_worker_current_request_seconds", "Age of the oldest request that the worker is at; 0: it is at none.")
	for _, a := range apps {
		least.add(float64(a.Status.Min), "app", a.Name)
		most.add(float64(a.Status.Max), "app", a.Name)
		if c := a.Status.Counters; c != nil {
			for _, reason := range slices.Sorted(maps.Keys(c.Restarts)) {
				restarts.add(float64(c.Restarts[reason]), "app", a.Name, "reason", reason)
			}
		}
		in := map[runner.WorkerState]int{}
		for _, w := range a.Status.Workers {
			in[w.State]++
			labels := []string{"app", a.Name, "pid", strconv.Itoa(w.PID)}
			requests.add(float64(w.Requests), labels...)
			memory.add(float64(w.RSS), labels...)
			started.add(unixSeconds(w.Since), labels...)
			age := 0.0
			for _, c := range w.Current {
				age = max(age, now.Sub(c.Since).Seconds())
			}
			current.add(age, labels...)
		}
		for _, s := range workerStates {
			workers.add(float64(in[s]), "app", a.Name, "state", string(s))
		}
	}
	return []family{workers, least, most, restarts, requests, memory, started, current}
}

// besideFamilies are of processes beside the workers.
func besideFamilies(apps []App) []family {
	up := gauge("wsgid_process_up", "1 where a process beside the workers runs, else 0.")
	restarts := counter("wsgid_process_restarts_total", "Unexpected exits of the process.")
	memory := gauge("wsgid_process_memory_bytes", "Resident memory of the process, without what it has started.")
	for _, a := range apps {
		for _, p := range a.Status.Processes {
			labels := []string{"app", a.Name, "process", p.Name, "number", strconv.Itoa(p.Number)}
			up.add(oneIf(p.State == runner.ProcessRunning), labels...)
			restarts.add(float64(p.Restarts), labels...)
			memory.add(float64(p.RSS), labels...)
		}
	}
	return []family{up, restarts, memory}
}

// addByCode adds a series for each status.
func addByCode(f family, app string, counts map[int]uint64) {
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
