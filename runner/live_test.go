package runner

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

const liveApp = `
import os, time
started = time.monotonic()
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/healthz"):
        how = path[len("/healthz/"):]
        if how == "hang":
            time.sleep(0.2)
        if how == "fail" or how == "late" and time.monotonic() < started + 0.3:
            start_response("500 Sick", [("Content-Length", "0")])
            return [b""]
    if path == "/sleep":
        time.sleep(float(environ["QUERY_STRING"]))
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
`

// liveValues are values of each attribute that can be changed in place: what it
// is taken out for, and what it is changed to. Every one of them leaves the app
// able to answer.
var liveValues = map[string][]func(*appspec.Spec){
	"workers.count":           {liveWorkers(1, 1), liveWorkers(3, 3)},
	"workers.min":             {liveWorkers(1, 3), liveWorkers(2, 2)},
	"workers.max":             {liveWorkers(1, 2), liveWorkers(1, 4)},
	"workers.request_timeout": live(func(s *appspec.Spec, d appspec.Duration) { s.Workers.RequestTimeout = d }, time.Minute, 20*time.Second),
	"workers.start_timeout":   live(func(s *appspec.Spec, d appspec.Duration) { s.Workers.StartTimeout = d }, time.Minute, 20*time.Second),
	"workers.reserve":         live(func(s *appspec.Spec, n int) { s.Workers.Reserve = n }, 1, 0, 2),
	"workers.start_nice":      live(func(s *appspec.Spec, n int) { s.Workers.StartNice = n }, 10, 0, 19),
	"workers.stop_timeout":    live(func(s *appspec.Spec, d appspec.Duration) { s.Workers.StopTimeout = d }, time.Minute, 20*time.Second),
	"workers.idle_timeout":    live(func(s *appspec.Spec, d appspec.Duration) { s.Workers.IdleTimeout = d }, time.Minute, 10*time.Millisecond),
	"workers.max_requests":    live(func(s *appspec.Spec, n int) { s.Workers.MaxRequests = n }, 0, 20, 200),
	"workers.max_memory":      live(func(s *appspec.Spec, n appspec.Size) { s.Workers.MaxMemory = n }, 0, 4<<30),
	"workers.max_age":         live(func(s *appspec.Spec, d appspec.Duration) { s.Workers.MaxAge = d }, 0, 300*time.Millisecond),
	// Without keep_alive a check that fails ends the app, as it should.
	"workers.keep_alive": live(func(s *appspec.Spec, b bool) {
		if s.Workers.KeepAlive = b; !b {
			s.Health = nil
		}
	}, true, false),
	"workers.queue":         live(func(s *appspec.Spec, n int) { s.Workers.Queue = n }, 1024, 64),
	"workers.queue_timeout": live(func(s *appspec.Spec, d appspec.Duration) { s.Workers.QueueTimeout = d }, time.Minute, 20*time.Second),

	"request.max_body":           live(func(s *appspec.Spec, n appspec.Size) { s.Request.MaxBody = n }, 1<<20, 64<<10),
	"request.max_line":           live(func(s *appspec.Spec, n appspec.Size) { s.Request.MaxLine = n }, 32<<10, 1<<10, 48<<10),
	"request.max_head":           live(func(s *appspec.Spec, n appspec.Size) { s.Request.MaxHead = n }, 80<<10, 1<<10, 112<<10),
	"request.max_headers":        live(func(s *appspec.Spec, n int) { s.Request.MaxHeaders = n }, 256, 20, 1024),
	"request.header_timeout":     live(func(s *appspec.Spec, d appspec.Duration) { s.Request.HeaderTimeout = d }, time.Minute, 20*time.Second),
	"request.body_timeout":       live(func(s *appspec.Spec, d appspec.Duration) { s.Request.BodyTimeout = d }, time.Minute, 20*time.Second),
	"request.keep_alive_timeout": live(func(s *appspec.Spec, d appspec.Duration) { s.Request.KeepAliveTimeout = d }, time.Minute, 20*time.Second),
	"request.trusted_proxies":    live(func(s *appspec.Spec, l []string) { s.Request.TrustedProxies = l }, nil, []string{"127.0.0.0/8"}),
	"request.trusted_headers":    live(func(s *appspec.Spec, l []string) { s.Request.TrustedHeaders = l }, []string{"x-forwarded-for"}, nil),
	"request.response_buffer":    live(func(s *appspec.Spec, n appspec.Size) { s.Request.ResponseBuffer = n }, 64<<20, 1<<20),
	"request.spool":              live(func(s *appspec.Spec, n appspec.Size) { s.Request.Spool = n }, 1<<30, 0),
	"request.buffering":          live(func(s *appspec.Spec, b bool) { s.Request.Buffering = b }, true, false),
	"request.min_rate":           live(func(s *appspec.Spec, n appspec.Size) { s.Request.MinRate = n }, 1<<10, 0),

	"hosts": live(func(s *appspec.Spec, l []string) { s.Hosts = l }, []string{"a.example"}, []string{"b.example", "*.b.example"}),
	// Of names only; what is not there is told, and plain HTTP goes on.
	"tls.cert": {func(s *appspec.Spec) { s.TLS = nil }, liveTLS("/nowhere/a.pem", "/nowhere/a.key"), liveTLS("/nowhere/b.pem", "/nowhere/a.key")},
	"tls.key":  {func(s *appspec.Spec) { s.TLS = nil }, liveTLS("/nowhere/a.pem", "/nowhere/a.key"), liveTLS("/nowhere/a.pem", "/nowhere/b.key")},

	"own_code":      {func(s *appspec.Spec) { s.OwnCode = nil }, func(s *appspec.Spec) { s.OwnCode = new(bool) }},
	"script_name":   live(func(s *appspec.Spec, v string) { s.ScriptName = v }, "", "/blog"),
	"server_header": live(func(s *appspec.Spec, b bool) { s.ServerHeader = b }, true, false),

	"static.url": {
		func(s *appspec.Spec) { s.Static = nil },
		liveStatic(appspec.Static{URL: "/static/"}), liveStatic(appspec.Static{URL: "/s/"}),
	},
	"static.dir":     {liveStatic(appspec.Static{Dir: "assets"}), liveStatic(appspec.Static{Dir: "app/nowhere"})},
	"static.max_age": {liveStatic(appspec.Static{MaxAge: appspec.Duration(time.Hour)}), liveStatic(appspec.Static{})},

	"health.path": {
		func(s *appspec.Spec) { s.Health = nil },
		liveHealth("/healthz/ok"), liveHealth("/healthz/fail"), liveHealth("/healthz/hang"), liveHealth("/healthz/late"),
	},
	"health.host":     live(withHealth(func(h *appspec.Health, v string) { h.Host = v }), "", "h:8000", "[::1]"),
	"health.interval": live(withHealth(func(h *appspec.Health, d appspec.Duration) { h.Interval = d }), 20*time.Millisecond, time.Minute),
	"health.timeout":  live(withHealth(func(h *appspec.Health, d appspec.Duration) { h.Timeout = d }), 20*time.Millisecond, 5*time.Second),
	"health.failures": live(withHealth(func(h *appspec.Health, n int) { h.Failures = n }), 1, 2, 1000),

	"process.command":      {liveProcess(appspec.Process{}), liveProcess(appspec.Process{Command: []string{"python", "-c", "import time; time.sleep(600)"}}), func(s *appspec.Spec) { s.Processes = nil }},
	"process.count":        {liveProcess(appspec.Process{Count: 1}), liveProcess(appspec.Process{Count: 3}), liveProcess(appspec.Process{Count: 0})},
	"process.stop_signal":  {liveProcess(appspec.Process{StopSignal: "TERM"}), liveProcess(appspec.Process{StopSignal: "INT"})},
	"process.stop_timeout": {liveProcess(appspec.Process{StopTimeout: appspec.Duration(time.Minute)}), liveProcess(appspec.Process{StopTimeout: appspec.Duration(time.Millisecond)})},

	"schedule.cron":     {liveSchedule(appspec.Schedule{Cron: "* * * * *"}), liveSchedule(appspec.Schedule{}), func(s *appspec.Spec) { s.Schedules = nil }},
	"schedule.command":  {liveSchedule(appspec.Schedule{}), liveSchedule(appspec.Schedule{Command: []string{"python", "-c", "pass"}})},
	"schedule.timeout":  {liveSchedule(appspec.Schedule{}), liveSchedule(appspec.Schedule{Timeout: appspec.Duration(time.Second)})},
	"schedule.overlap":  {liveSchedule(appspec.Schedule{}), liveSchedule(appspec.Schedule{Overlap: true})},
	"schedule.timezone": {liveSchedule(appspec.Schedule{}), liveSchedule(appspec.Schedule{Timezone: "UTC"})},

	"restart.min_delay":   live(func(s *appspec.Spec, d appspec.Duration) { s.Restart.MinDelay = d }, 10*time.Millisecond, 30*time.Millisecond),
	"restart.max_delay":   live(func(s *appspec.Spec, d appspec.Duration) { s.Restart.MaxDelay = d }, 50*time.Millisecond, 100*time.Millisecond),
	"restart.reset_after": live(func(s *appspec.Spec, d appspec.Duration) { s.Restart.ResetAfter = d }, time.Millisecond, time.Minute),

	"limits.memory": live(func(s *appspec.Spec, n appspec.Size) { s.Limits.Memory = n }, 0, 1<<30),
	"limits.cpu":    live(func(s *appspec.Spec, n float64) { s.Limits.CPU = n }, 0, 1.5),
	"limits.tasks":  live(func(s *appspec.Spec, n uint64) { s.Limits.Tasks = n }, 0, 500),

	"log.target":   live(func(s *appspec.Spec, v string) { s.Log.Target = v }, "file", "journal", "stderr"),
	"log.access":   live(func(s *appspec.Spec, v bool) { s.Log.Access = v }, false, true),
	"log.format":   live(func(s *appspec.Spec, v string) { s.Log.Format = v }, "text", "json"),
	"log.max_size": live(func(s *appspec.Spec, n appspec.Size) { s.Log.MaxSize = n }, 64<<20, 1<<10),
	"log.keep":     live(func(s *appspec.Spec, n int) { s.Log.Keep = n }, 5, 0, 1),
}

func live[T, V any](set func(*appspec.Spec, T), values ...V) (changes []func(*appspec.Spec)) {
	for _, v := range values {
		t, ok := any(v).(T)
		if d, is := any(v).(time.Duration); is && !ok {
			t = any(appspec.Duration(d)).(T)
		}
		changes = append(changes, func(s *appspec.Spec) { set(s, t) })
	}
	return changes
}

func liveWorkers(lo, hi int) func(*appspec.Spec) {
	return func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = lo, hi }
}

func liveTLS(cert, key string) func(*appspec.Spec) {
	return func(s *appspec.Spec) { s.TLS = &appspec.TLS{Cert: cert, Key: key} }
}

// liveStatic is one static block; what is not said is as in another one.
func liveStatic(b appspec.Static) func(*appspec.Spec) {
	b.URL, b.Dir = cmp.Or(b.URL, "/static/"), cmp.Or(b.Dir, "assets")
	return func(s *appspec.Spec) { s.Static = []appspec.Static{b} }
}

// liveProcess is one process; what is not said is as in another one.
func liveProcess(p appspec.Process) func(*appspec.Spec) {
	p.Name = "beside"
	if p.Command == nil {
		p.Command = []string{"sleep", "600"}
		p.Count = max(p.Count, 1)
	}
	p.StopSignal, p.StopTimeout = cmp.Or(p.StopSignal, "TERM"), cmp.Or(p.StopTimeout, appspec.Duration(time.Minute))
	return func(s *appspec.Spec) { s.Processes = []appspec.Process{p} }
}

// liveSchedule is one schedule; what is not said is as in another one.
func liveSchedule(b appspec.Schedule) func(*appspec.Spec) {
	b.Name, b.Cron, b.Timeout = "job", cmp.Or(b.Cron, "0 3 * * *"), cmp.Or(b.Timeout, appspec.Duration(time.Minute))
	if b.Command == nil {
		b.Command = []string{"true"}
	}
	return func(s *appspec.Spec) { s.Schedules = []appspec.Schedule{b} }
}

func liveHealth(path string) func(*appspec.Spec) {
	return func(s *appspec.Spec) {
		h := appspec.Health{Interval: appspec.Duration(30 * time.Millisecond), Timeout: appspec.Duration(50 * time.Millisecond), Failures: 2}
		if s.Health != nil {
			h = *s.Health
		}
		h.Path = path
		s.Health, s.Workers.KeepAlive = &h, true
	}
}

func withHealth[T any](set func(*appspec.Health, T)) func(*appspec.Spec, T) {
	return func(s *appspec.Spec, v T) {
		if s.Health != nil {
			h := *s.Health
			set(&h, v)
			s.Health = &h
		}
	}
}

// TestEveryLiveChangeAtWork changes each attribute that can be changed in place
// on a master that is at work, in any order. The master goes on, with the same
// process, and every request has its answer.
func TestEveryLiveChangeAtWork(t *testing.T) {
	var order []string
	for _, a := range appspec.Attributes() {
		if a.Disruption != appspec.Live || a.RootOnly { // what speaks of the directory no master hears of
			continue
		}
		if liveValues[a.Path] == nil {
			t.Errorf("%s can be changed in place, and no value of it is tried here", a.Path)
			continue
		}
		order = append(order, a.Path)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	a := newTestApp(t, liveApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 2, 2 })
	h := a.start(StateReady)
	stop := a.load(3)
	generation, said := 1, []string{}
	change := func(path string, i int) {
		spec := *a.spec
		liveValues[path][i](&spec)
		a.spec = &spec
		generation++
		said = append(said, fmt.Sprintf("%s to value %d", path, i))
		if err := h.Update(a.ctx(), a.spec, generation, false); err != nil {
			t.Fatalf("after %s: %v", strings.Join(said[max(0, len(said)-5):], ", "), err)
		}
	}
	for range 2 {
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, path := range order {
			for i := range liveValues[path] {
				change(path, i)
				time.Sleep(time.Duration(r.IntN(40)) * time.Millisecond) // the changes are to meet it anywhere
			}
			if r.IntN(4) == 0 {
				change("health.path", r.IntN(len(liveValues["health.path"])))
			}
		}
	}
	// Whatever went on before, without a check and with its workers it is ready.
	for path := range liveValues {
		change(path, 0)
	}
	st := a.wait(h, func(st Status) bool { return st.State == StateReady })
	good, bad := stop()
	if good == 0 || len(bad) > 0 {
		t.Errorf("%d requests were answered, %d not: %v; the last changes were %v", good, len(bad), bad, said)
	}
	if st.PID != h.PID || st.Generation != generation {
		t.Errorf("master %d runs generation %d, want %d and %d", st.PID, st.Generation, h.PID, generation)
	}
	if st.Health != nil {
		t.Errorf("a check that is no more is told of: %+v", st.Health)
	}
}

// TestHealthTakenOut takes the check out of the spec in each moment of a worker
// that fails it: between two checks, during one, and before it has ever been
// well.
func TestHealthTakenOut(t *testing.T) {
	for _, how := range []string{"fail", "hang"} {
		for _, when := range []string{"it serves", "it starts"} {
			t.Run(how+" when "+when, func(t *testing.T) {
				a := newTestApp(t, healthApp, func(s *appspec.Spec) {
					s.Health = &appspec.Health{Path: "/healthz", Interval: appspec.Duration(100 * time.Millisecond),
						Timeout: appspec.Duration(100 * time.Millisecond), Failures: 1000}
					s.Workers.RequestTimeout = appspec.Duration(3 * time.Second) // for what is to be seen of a worker that hangs
				})
				state := StateReady
				if when == "it starts" {
					a.write("sick", how)
					state = StateStarting
				}
				h := a.start(state)
				a.write("sick", how)
				if how == "hang" {
					a.mustLogLine("hangs") // what has not answered in time may only be slow
				}
				a.mustLogLine(map[string]string{"fail": "of 1000): 500 in", "hang": "of 1000): no answer within"}[how])
				before, err := h.Status(a.ctx(), 0)
				if err != nil || len(before.Workers) != 1 {
					t.Fatalf("%+v, %v", before.Workers, err)
				}
				spec := *a.spec
				spec.Health = nil
				if err := h.Update(a.ctx(), &spec, 2, false); err != nil {
					t.Fatal(err)
				}
				a.wait(h, func(st Status) bool { return st.State == StateReady && st.Health == nil })
				if code, _ := a.get("/"); code != 200 {
					t.Errorf("status %d", code)
				}
				if how == "hang" {
					// Nobody asks for the answer any more, but a worker is not busy for ever.
					a.wait(h, func(n Status) bool { return n.State == StateReady && !pids(n)[before.Workers[0].PID] })
				}
				// And back in, on the same master.
				if err := os.Remove(filepath.Join(a.spec.Path, "app", "sick")); err != nil {
					t.Fatal(err)
				}
				if err := h.Update(a.ctx(), a.spec, 3, false); err != nil {
					t.Fatal(err)
				}
				a.wait(h, func(st Status) bool { return st.State == StateReady && st.Health != nil && st.Health.OK })
			})
		}
	}
}
