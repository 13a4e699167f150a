package fleet

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// scrape gets the page from the control socket.
func (f *fleetDir) scrape() string {
	f.T.Helper()
	c := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(f.State, "fleet.sock"))
		},
	}}
	return getPage(f.T, &c, "http://fleet/metrics")
}

func getPage(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v\n%s", resp.Status, err, b)
	}
	if ct := resp.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/plain; version=0.0.4; charset=utf-8") {
		t.Errorf("Content-Type %q", ct)
	}
	return string(b)
}

// keptLog is a log that can be read while it is written.
type keptLog struct{ fleettest.Buffer }

func (l *keptLog) has(text string) func() bool {
	return func() bool { return strings.Contains(l.String(), text) }
}

func (l *keptLog) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestMetricsOfRealApps(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog", reconciletest.Count(2))
	f.App("shop", "def app(e, s):\n    s('503 Service Unavailable', [])\n    return [b'no']\n")
	f.Spec("shop", `wsgi_app = "m:app"`)
	f.Write("broken", "app {")
	f.daemon(Options{Dir: f.Dir, StateDir: f.State, Log: shownLog(t), Version: `1.0"beta\`})
	for range 3 {
		if _, err := f.get("blog"); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = f.get("shop")
	// A request is over a moment after its answer was read.
	var p fleettest.Metrics
	eventually(t, "all requests to be counted", func() bool {
		p = fleettest.ParseMetrics(t, f.scrape())
		return p.Value("wsgid_app_requests_total", "app", "blog", "code", "200") == 3 && p.Value("wsgid_app_requests_total", "app", "shop", "code", "503") == 1 &&
			p.Value("wsgid_app_workers", "app", "blog", "state", "busy") == 0
	})
	if faults, err := p.Lint(); err != nil || len(faults) > 0 {
		t.Errorf("the linter says %v, %v", faults, err)
	}
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{1, "wsgid_build_info", []string{"version", `1.0"beta\`}},
		{2, "wsgid_fleet_apps", []string{"state", "ready"}},
		{0, "wsgid_fleet_apps", []string{"state", "backoff"}},
		{1, "wsgid_fleet_spec_errors", nil},
		{0, "wsgid_fleet_reconcile_failures_total", nil},
		{3, "wsgid_app_requests_total", []string{"app", "blog", "code", "200"}},
		{1, "wsgid_app_requests_total", []string{"app", "shop", "code", "503"}},
		{0, "wsgid_app_requests_waiting", []string{"app", "blog"}},
		{2, "wsgid_app_workers", []string{"app", "blog", "state", "idle"}},
		{0, "wsgid_app_workers", []string{"app", "blog", "state", "busy"}},
		{2, "wsgid_app_workers_max", []string{"app", "blog"}},
		{0, "wsgid_app_worker_restarts_total", []string{"app", "blog", "reason", "died"}},
		{1, "wsgid_app_up", []string{"app", "blog"}},
		{1, "wsgid_app_state", []string{"app", "blog", "state", "ready"}},
		{0, "wsgid_app_log_lines_lost_total", []string{"app", "blog"}},
	} {
		if got := p.Value(c.name, c.labels...); got != c.want {
			t.Errorf("%s %v is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	h := p.Find("wsgid_app_request_duration_seconds", "app", "blog").GetHistogram()
	if h.GetSampleCount() != 3 || h.GetSampleSum() <= 0 || len(h.GetBucket()) != len(runner.DurationBounds())+1 {
		t.Errorf("durations: %v", h)
	}
	if h := p.Find("wsgid_fleet_reconcile_seconds").GetHistogram(); h.GetSampleCount() < 2 || h.GetSampleSum() <= 0 {
		t.Errorf("passes: %v", h)
	}
	st := f.status("blog")
	for _, w := range st.Workers {
		pid := fmt.Sprint(w.PID)
		if v := p.Value("wsgid_worker_memory_bytes", "app", "blog", "pid", pid); v < 1<<20 {
			t.Errorf("worker %s has %v bytes", pid, v)
		}
		if v := p.Value("wsgid_worker_current_request_seconds", "app", "blog", "pid", pid); v != 0 {
			t.Errorf("worker %s is at a request of %v s", pid, v)
		}
	}
	if v := p.Value("wsgid_app_memory_bytes", "app", "blog"); v < 3<<20 {
		t.Errorf("the app has %v bytes", v)
	}
	if v := p.Value("process_resident_memory_bytes"); v < 1<<20 {
		t.Errorf("the daemon has %v bytes", v)
	}
}

// When a certificate expires can be watched, whether its app serves or not.
func TestMetricsOfCertificates(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	began := time.Now()
	cert, key := writeCertificate(t, f.Root)
	late, lateKey := f.Path("late.pem"), f.Path("late.key")
	certtest.SelfSigned(t, certtest.Valid(began.Add(-10*time.Hour), began.Add(time.Hour))).Write(t, late, lateKey)
	f.Write("blog", fmt.Sprintf(`app "blog" {
  path = %q
  sockets {
    http {
      listen = "127.0.0.1:9"
      tls {
        cert = %q
        key  = %q
      }
    }
    http {
      listen = "127.0.0.1:10"
      tls {
        cert = %q
        key  = %q
      }
    }
  }
}
`, f.Path("blog"), cert, key, late, lateKey))
	f.daemon(f.fakeOptions(m))
	p := fleettest.ParseMetrics(t, f.scrape())
	// It has an hour left of two, the other one an hour of eleven.
	for name, want := range map[string]float64{cert: 0, late: 1} {
		if v := p.Value("wsgid_certificate_problem", "app", "blog", "cert", name); v != want {
			t.Errorf("%s is a problem: %v", name, v)
		}
	}
	at := p.Value("wsgid_certificate_expiry_timestamp_seconds", "app", "blog", "cert", cert)
	if left := at - float64(began.Unix()); left < 3590 || left > 3600+float64(time.Since(began)/time.Second)+1 {
		t.Errorf("expires at %v, in %v s", at, left)
	}
	if faults, err := p.Lint(); err != nil || len(faults) > 0 {
		t.Errorf("the linter says %v, %v", faults, err)
	}
}

// A master that hangs costs its own series, not the scrape.
func TestMetricsOfAMasterThatHangs(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog")
	f.Real("shop")
	f.daemon(Options{}, func(d *Daemon) { d.Pulse = time.Hour })
	hung := f.status("shop").Master.PID
	if err := syscall.Kill(hung, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(hung, syscall.SIGCONT) }()
	waitStopped(t, hung)
	var p fleettest.Metrics
	// On a busy machine the other one may not answer in time either.
	eventually(t, "the other app to be up", func() bool {
		p = fleettest.ParseMetrics(t, f.scrape())
		return p.Value("wsgid_app_up", "app", "blog") == 1
	})
	if up, workers := p.Value("wsgid_app_up", "app", "shop"), p.Value("wsgid_app_workers", "app", "shop", "state", "idle"); up != 0 || workers != -1 {
		t.Errorf("the app that hangs: up %v, workers %v", up, workers)
	}
}

// A port that is taken is reported, the fleet serves, and the metrics come when
// the port is free.
func TestMetricsPortTaken(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog")
	addr := freeport.Addr(t)
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var kept keptLog
	f.daemon(Options{Dir: f.Dir, StateDir: f.State, Log: kept.logger()}, func(d *Daemon) {
		d.Metrics, d.metrics.Retry = addr, 10*time.Millisecond
	})
	eventually(t, "the port is reported", kept.has(`level=ERROR msg="cannot serve metrics" address=`+addr+
		` err="address already in use" next="retrying every 10ms; the fleet continues without it"`))
	if body, err := f.get("blog"); err != nil || body != "hello" {
		t.Errorf("the app: %q, %v", body, err)
	}
	_ = ln.Close()
	eventually(t, "metrics are served", kept.has("metrics are served"))
	if text := getPage(t, http.DefaultClient, "http://"+addr+"/metrics"); fleettest.ParseMetrics(t, text).Value("wsgid_app_up", "app", "blog") != 1 {
		t.Errorf("the page is\n%s", text)
	}
	http.DefaultClient.CloseIdleConnections()
}

// A thousand apps, some of which do not answer, in one scrape.
func TestMetricsOfManyApps(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: thousands of apps")
	}
	f := newFleetDir(t)
	m := reconciletest.NewMachine()
	m.Behave(func(*appspec.Spec) (runner.Status, error) {
		return runner.Status{State: runner.StateReady, Counters: &runner.Counters{Codes: map[int]uint64{200: 7}}}, nil
	})
	for i := range 300 {
		f.Spec(fmt.Sprintf("app%d", i), `wsgi_app = "m:app"`)
	}
	o := Options{Dir: f.Dir, StateDir: f.State, Log: slog.New(slog.DiscardHandler)}
	o.machine, o.folders = m, reconciletest.Folders{}
	// A master that hangs is replaced in time: not before the page was read here.
	f.daemon(o, func(d *Daemon) { d.Pulse = time.Hour })
	m.Only(t, "app7").Hang()
	p := fleettest.ParseMetrics(t, f.scrape())
	if n := len(p["wsgid_app_up"].GetMetric()); n != 300 {
		t.Errorf("%d apps", n)
	}
	if n := len(p["wsgid_app_requests_total"].GetMetric()); n != 299 {
		t.Errorf("%d apps tell of requests", n)
	}
}

// What a master cannot write to its log is told where people look: the daemon's
// own lines, status and metrics. The app is no less ready.
func TestLogTroubleIsTold(t *testing.T) {
	f := newFleetDir(t)
	m := reconciletest.NewMachine()
	f.Spec("blog", `wsgi_app = "m:app"`)
	var kept keptLog
	o := Options{Dir: f.Dir, StateDir: f.State, Log: kept.logger()}
	o.machine, o.folders = m, reconciletest.Folders{}
	f.daemon(o)
	const full = "cannot write log /a/blog/logs/wsgid.log: no space left on device"
	m.Only(t, "blog").Set(func(st *runner.Status) { st.LogError, st.LogLost = full, 3 })
	eventually(t, "the daemon tells it", kept.has(`level=WARN msg=state app=blog state=ready pid=8388609 log="`+full+`"`))
	if st := f.status("blog"); st.State != "ready" || st.LogError != full {
		t.Errorf("status: %+v", st)
	}
	if n := fleettest.ParseMetrics(t, f.scrape()).Value("wsgid_app_log_lines_lost_total", "app", "blog"); n != 3 {
		t.Errorf("%v lines lost", n)
	}
}

// waitStopped waits until each thread of a process has stopped: SIGSTOP is
// heeded by one after the other.
func waitStopped(t *testing.T, pid int) {
	t.Helper()
	running := 0
	await.True(t, fmt.Sprintf("the threads of process %d to stop", pid), func() bool {
		running = 0
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		for _, name := range threads {
			b, _ := os.ReadFile(name)
			if _, rest, _ := strings.Cut(string(b), ") "); rest != "" && rest[0] != 'T' {
				running++
			}
		}
		return running == 0
	}, func() any { return fmt.Sprint(running, " that run") })
}
