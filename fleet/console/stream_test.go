package console

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// follow opens a stream and returns its lines.
func (h *harness) follow(ctx context.Context, cookie string) (*http.Response, *bufio.Scanner) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/stream", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Cookie", cookie)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { resp.Body.Close() })
	return resp, bufio.NewScanner(resp.Body)
}

func (h *harness) running() bool {
	h.con.hub.mu.Lock()
	defer h.con.hub.mu.Unlock()
	return h.con.hub.running
}

// Seven tabs and more hear of a change; when the last has gone nothing runs and the
// fleet is asked for nothing.
func TestTabs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cookie := h.login(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := time.Now()
	var tabs []*bufio.Scanner
	for range 7 {
		resp, lines := h.follow(ctx, cookie)
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") || resp.Header.Get("X-Accel-Buffering") != "no" {
			t.Fatalf("a stream: %s %v", resp.Status, resp.Header)
		}
		tabs = append(tabs, lines)
	}
	for _, lines := range tabs {
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "data: {\"v\":") {
		}
		if lines.Err() != nil {
			t.Fatal(lines.Err())
		}
	}
	if !h.running() {
		t.Error("nobody looks while seven look")
	}
	cancel()
	eventually(t, "it has ended", func() bool { return !h.running() })
	if looks, most := h.fleet.looks.Load(), int64(time.Since(began)/(pulse/2))+2; looks > most {
		t.Errorf("%d looks where %d are enough: each tab has its own", looks, most)
	}
}

// Who follows is told of what is there, and then of changes only: each message costs a
// browser, and the daemon.
func TestOnlyNewsAreTold(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	news, done := h.con.hub.subscribe()
	defer done()
	if v := <-news; v != 1 {
		t.Errorf("the first: %d", v)
	}
	looks := h.fleet.looks.Load()
	eventually(t, "the fleet is looked at some more times", func() bool { return h.fleet.looks.Load() >= looks+3 })
	select {
	case v := <-news:
		t.Errorf("nothing has changed, and told is %d", v)
	default:
	}
	h.fleet.mu.Lock()
	h.fleet.status.Apps[0].State = "degraded"
	h.fleet.mu.Unlock()
	if v := <-news; v != 2 {
		t.Errorf("a change: %d", v)
	}
	// Who comes later is told what is there.
	late, gone := h.con.hub.subscribe()
	defer gone()
	if v := <-late; v != 2 {
		t.Errorf("who comes later hears %d", v)
	}
}

func TestTooManyTabs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cookie := h.login(true)
	var done []func()
	for range maxStreams {
		_, d := h.con.hub.subscribe()
		done = append(done, d)
	}
	if resp, _ := h.follow(t.Context(), cookie); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one more: %s", resp.Status)
	}
	for _, d := range done {
		d()
	}
	if resp, _ := h.follow(t.Context(), cookie); resp.StatusCode != 200 {
		t.Errorf("when there is room again: %s", resp.Status)
	}
}

// The samples of an app are kept while its page is open, of few apps.
func TestSamplesOnlyWhileSomebodyLooks(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cookie := h.login(true)
	eventually(t, "two samples are there", func() bool {
		h.send("GET", "/app/blog", nil, "Cookie", cookie)
		h.con.hub.mu.Lock()
		defer h.con.hub.mu.Unlock()
		return len(h.con.hub.rings["blog"].points) >= 2
	})
	for i := range 3 * maxRings {
		h.con.hub.watch(strings.Repeat("x", i))
	}
	h.con.hub.mu.Lock()
	if n := len(h.con.hub.rings); n > maxRings {
		t.Errorf("samples of %d apps", n)
	}
	for _, r := range h.con.hub.rings { // as if the pages had been closed a while ago
		r.seen = r.seen.Add(-interestLife - time.Second)
	}
	h.con.hub.mu.Unlock()
	eventually(t, "it has ended", func() bool { return !h.running() })
	h.con.hub.mu.Lock()
	defer h.con.hub.mu.Unlock()
	if len(h.con.hub.rings) != 0 {
		t.Error("samples are kept")
	}
}

// A page alone, by a browser without JavaScript, leaves nothing behind either: the picture
// of the fleet is let go, and the pages of the program that made it are.
func TestAPageLeavesNothingBehind(t *testing.T) {
	h := newHarness(t)
	cookie := h.login(true)
	if page := h.send("GET", "/", nil, "Cookie", cookie); page.code != 200 || !h.running() {
		t.Fatalf("the page, %d, is forgotten at once", page.code)
	}
	looks := h.fleet.looks.Load()
	program := residentFile(t)
	eventually(t, "it has ended", func() bool { return !h.running() })
	eventually(t, "memory is given back", func() bool { return residentFile(t) < program })
	h.con.cache.mu.Lock()
	defer h.con.cache.mu.Unlock()
	if h.con.cache.status != nil || h.con.cache.rows != nil {
		t.Error("the picture of the fleet is kept")
	}
	if again := h.fleet.looks.Load(); again != looks {
		t.Errorf("the fleet was looked at %d times more for nobody", again-looks)
	}
}

// residentFile is how much of files this process has in memory, in kB.
func residentFile(t *testing.T) (kb int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(line, "RssFile:"); ok {
			if kb, err = strconv.Atoi(strings.Fields(n)[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return kb
}

// A look at many apps is long, and so is the pause after it. What the daemon does, or is
// told of, is seen meanwhile.
func TestWhatTheDaemonDoesIsSeenAtAGlance(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cookie := h.login(true)
	h.send("GET", "/", nil, "Cookie", cookie)
	b := h.con.cache
	b.mu.Lock()
	b.pause = time.Hour
	b.mu.Unlock()
	set := func(state string, moved bool) {
		h.fleet.mu.Lock()
		defer h.fleet.mu.Unlock()
		h.fleet.status.Apps[0].State, h.fleet.moved = state, moved
	}
	shows := func(state string) bool {
		return strings.Contains(h.send("GET", "/rows?since=1", nil, "Cookie", cookie).body, state)
	}
	set("stopping", true)
	eventually(t, "the page shows what the daemon does", func() bool { return shows("stopping") })
	set("degraded", false)
	b.mu.Lock()
	b.polled = time.Time{}
	b.mu.Unlock()
	if shows("degraded") {
		t.Error("all was looked at again")
	}
}

// Only what has changed is sent, and all where the order may be another one.
func TestRows(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cookie := h.login(true)
	ask := func(query string) (a rowsAnswer) {
		t.Helper()
		h.con.cache.stale()
		if err := json.Unmarshal([]byte(h.send("GET", "/rows?"+query, nil, "Cookie", cookie).body), &a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := ask("since=0")
	if first.Version == 0 || !strings.Contains(first.Table, "blog") {
		t.Errorf("the first: %+v", first)
	}
	if a := ask("since=1"); a.Version != first.Version || a.Table != "" || len(a.Rows) != 0 {
		t.Errorf("nothing has changed: %+v", a)
	}
	h.fleet.mu.Lock()
	h.fleet.status.Apps[0].Requests.Total = 5
	h.fleet.mu.Unlock()
	a := ask("since=1")
	if a.Version != 2 || a.Table != "" || len(a.Rows) != 1 || !strings.HasPrefix(a.Rows["blog"], `<tbody data-app="blog">`) {
		t.Errorf("one row has changed: %+v", a)
	}
	h.fleet.mu.Lock()
	h.fleet.status.Apps[0].State = "degraded"
	h.fleet.mu.Unlock()
	if a := ask("since=2"); a.Version != 3 || a.Table != "" || len(a.Rows) != 1 || !strings.Contains(a.Rows["blog"], "degraded") {
		t.Errorf("a state has changed: %+v", a)
	}
	for _, query := range []string{"since=2&state=degraded", "since=2&sort=state", "since=2&q=b"} {
		if a := ask(query); a.Version != 3 || !strings.Contains(a.Table, "degraded") {
			t.Errorf("a state has changed, and the rows are others by %s: %+v", query, a)
		}
	}
	h.fleet.mu.Lock()
	h.fleet.status.Apps = h.fleet.status.Apps[:1]
	h.fleet.mu.Unlock()
	if a := ask("since=3"); a.Version != 4 || !strings.Contains(a.Table, "blog") || strings.Contains(a.Table, "shop") {
		t.Errorf("an app is gone: %+v", a)
	}
	// What nobody looked at for a while is let go, and made anew.
	h.con.cache.forget()
	if a := ask("since=4"); a.Version != 5 || !strings.Contains(a.Table, "blog") {
		t.Errorf("after a pause: %+v", a)
	}
	// A page of a daemon that is no more has a version that is not known here.
	if a := ask("since=99"); a.Table == "" {
		t.Error("another daemon's version gets no table")
	}
}
