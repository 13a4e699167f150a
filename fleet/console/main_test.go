package console

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// fake is a fleet that does nothing and notes what it was asked for.
type fake struct {
	dir   string
	looks atomic.Int64

	mu        sync.Mutex
	status    fleet.Status
	plan      plan.Plan
	entries   []*deploy.Entry
	did       []string
	stacks    map[string][]runner.ThreadStack
	stacksErr error
	moved     bool          // the daemon has done something since the last look
	hold      chan struct{} // not nil: what is asked for goes on until it is closed
}

func (f *fake) Look(context.Context, *fleet.Status) *fleet.Status {
	f.looks.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	st := f.status
	st.Apps = append([]fleet.AppStatus(nil), f.status.Apps...)
	return &st
}

func (f *fake) Poll(ctx context.Context, last *fleet.Status) *fleet.Status {
	f.mu.Lock()
	moved := f.moved
	f.moved = false
	f.mu.Unlock()
	if !moved {
		return last
	}
	return f.Look(ctx, last)
}

func (f *fake) App(_ context.Context, name string) (fleet.AppStatus, *runner.Counters, bool) {
	f.looks.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.status.Apps {
		if a.Name == name {
			return a, &runner.Counters{Codes: map[int]uint64{200: a.Requests.Total}}, true
		}
	}
	return fleet.AppStatus{}, nil, false
}

func (f *fake) Stacks(_ context.Context, name string) ([]runner.ThreadStack, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stacks[name], f.stacksErr
}

func (f *fake) Plan(context.Context, []string) (*plan.Plan, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.plan
	return &p, nil
}

func (f *fake) note(what string) ([]fleet.Result, error) {
	f.mu.Lock()
	f.did = append(f.did, what)
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return []fleet.Result{{App: "blog", OK: true, State: "ready"}}, nil
}

func (f *fake) done() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.did, "; ")
}

func (f *fake) ApplyPlan(context.Context, string, func(fleet.Event)) ([]fleet.Result, error) {
	return f.note("apply")
}

func (f *fake) Start(_ context.Context, apps []string, _ func(fleet.Event)) ([]fleet.Result, error) {
	return f.note("start " + strings.Join(apps, " "))
}

func (f *fake) Stop(_ context.Context, apps []string, _ func(fleet.Event)) ([]fleet.Result, error) {
	return f.note("stop " + strings.Join(apps, " "))
}

func (f *fake) Restart(_ context.Context, apps []string, _ func(fleet.Event)) ([]fleet.Result, error) {
	return f.note("restart " + strings.Join(apps, " "))
}

func (f *fake) Reload(_ context.Context, apps []string, _ func(fleet.Event)) ([]fleet.Result, error) {
	return f.note("reload " + strings.Join(apps, " "))
}

func (f *fake) Deploy(_ context.Context, o fleet.DeployOrder, _ func(fleet.Event)) ([]fleet.Result, error) {
	return f.note(o.Verb() + " " + o.App + " " + o.To + " by " + o.By)
}

func (f *fake) Deploys(context.Context, []string) ([]*deploy.Entry, error) { return f.entries, nil }
func (f *fake) OnTotals(func(string, int, runner.Totals))                  {}
func (f *fake) LogTarget(string) string                                    { return "file" }
func (f *fake) DataDir() string                                            { return f.dir }
func (f *fake) StateDir() string                                           { return f.dir }
func (f *fake) Version() string                                            { return "test" }
func (f *fake) Life() context.Context                                      { return context.Background() }

// harness is a console of a fake fleet on a port of its own.
type harness struct {
	t     *testing.T
	fleet *fake
	con   *Console
	url   string
	// The kernel is asked who is at the other end once a connection, which costs it more
	// than a page costs us.
	transport http.Transport
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	f := &fake{dir: t.TempDir()}
	f.status.Apps = []fleet.AppStatus{
		{Name: "blog", State: "ready", Path: t.TempDir(), Master: &fleet.MasterStatus{PID: 7, Since: time.Now()}},
		{Name: "shop", State: "backoff", Reason: "ImportError", Next: "install it"},
	}
	f.status.Daemon = &fleet.DaemonStatus{PID: 1, Dir: "/etc/wsgid.d"}
	return serveFake(t, f)
}

func serveFake(t *testing.T, f *fake) *harness {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	con, err := New(srv.Listener.Addr().String(), []string{"ops.example.org"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	con.fleet, con.cache, con.day = f, &statusCache{fleet: f}, newHistory(time.Now())
	con.hub = &hub{cache: con.cache, life: ctx, rings: map[string]*ring{}}
	if err := con.prepare(); err != nil {
		t.Fatal(err)
	}
	con.down("")
	srv.Config.Handler, srv.Config.ConnContext = con.handler(), withPeer
	srv.Start()
	t.Cleanup(func() {
		cancel()
		srv.CloseClientConnections()
		srv.Close()
		con.hub.wait()
	})
	return &harness{t: t, fleet: f, con: con, url: srv.URL}
}

// answer is what came.
type answer struct {
	code   int
	body   string
	header http.Header
}

// send sends one request; set are header lines, "Host" among them.
func (h *harness) send(method, path string, form url.Values, set ...string) answer {
	h.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, body)
	if err != nil {
		h.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(set); i += 2 {
		if set[i] == "Host" {
			req.Host = set[i+1]
		} else {
			req.Header.Set(set[i], set[i+1])
		}
	}
	resp, err := h.transport.RoundTrip(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer{resp.StatusCode, string(b), resp.Header}
}

// login is a cookie of that role.
func (h *harness) login(viewer bool) string {
	h.t.Helper()
	l := h.con.login(viewer, "ann")
	_, code, _ := strings.Cut(l.URL, "#")
	a := h.send("POST", "/login", url.Values{"code": {code}})
	if a.code != http.StatusSeeOther {
		h.t.Fatalf("no login: %d %s", a.code, a.body)
	}
	cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	return cookie
}

var (
	tokenIn  = regexp.MustCompile(`name="token" value="([^"]+)"`)
	digestIn = regexp.MustCompile(`name="digest" value="([^"]+)"`)
)

// token is that of the forms of a page.
func (h *harness) token(cookie string) string {
	h.t.Helper()
	m := tokenIn.FindStringSubmatch(h.send("GET", "/", nil, "Cookie", cookie).body)
	if m == nil {
		h.t.Fatal("the page has no token")
	}
	return m[1]
}

// eventually polls until something holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	await.True(t, what, ok)
}
