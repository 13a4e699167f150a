package console

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const proxySecret = "0123456789abcdef0123456789abcdef"

// behindProxy is a console at a unix socket, with the file that says who may what; all come
// as a user who is neither root nor runs the fleet, but for X-Test-Ours.
func behindProxy(t *testing.T, text string) (h *harness, file string, log *logText) {
	t.Helper()
	dir := t.TempDir()
	file = filepath.Join(dir, "proxy")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newHarness(t).fleet
	log = &logText{}
	con, err := New("unix:"+filepath.Join(dir, "console.sock"), []string{"ops.example.org"}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := con.Behind(file); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	con.fleet, con.cache, con.day = f, &statusCache{fleet: f}, newHistory(time.Now())
	con.hub = &hub{cache: con.cache, life: ctx, rings: map[string]*ring{}}
	if err := con.prepare(); err != nil {
		t.Fatal(err)
	}
	inner := con.handler()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := socketPeer{who: "www-data"}
		if r.Header.Get("X-Test-Ours") != "" {
			at = socketPeer{who: "root", ours: true}
		}
		inner.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, at)))
	}))
	srv.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { return ctx }
	srv.Start()
	t.Cleanup(func() {
		cancel()
		srv.CloseClientConnections()
		srv.Close()
		con.hub.wait()
	})
	return &harness{t: t, fleet: f, con: con, url: srv.URL}, file, log
}

// A proxy with the secret says who asks, and the file what he may; nobody is believed
// without.
func TestWhoComesByTheProxy(t *testing.T) {
	t.Parallel()
	h, file, log := behindProxy(t, "# ours\nsecret   "+proxySecret+"\noperator ann bob\nviewer   carl\n")
	ask := func(method string, form url.Values, set ...string) answer {
		return h.send(method, "/app/blog", form, append([]string{"Host", "ops.example.org"}, set...)...)
	}
	as := func(user string) []string { return []string{secretHeader, proxySecret, userHeader, user} }
	if a := ask("GET", nil, as("ann")...); a.code != 200 || !strings.Contains(a.body, "ann, operator") || !strings.Contains(a.body, ">Stop<") || strings.Contains(a.body, "Log out") {
		t.Errorf("an operator: %d %s", a.code, a.body)
	}
	a := ask("GET", nil, as("carl")...)
	if a.code != 200 || !strings.Contains(a.body, "carl, viewer") || strings.Contains(a.body, ">Stop<") {
		t.Errorf("a viewer: %d %s", a.code, a.body)
	}
	token := func(user string) url.Values {
		return url.Values{"verb": {"reload"}, "token": {h.con.sign("form", "proxy operator "+user)}}
	}
	if a := ask("POST", token("carl"), as("carl")...); a.code != 403 || !strings.Contains(a.body, "A viewer cannot change anything") {
		t.Errorf("a viewer reloads: %d %s", a.code, a.body)
	}
	if a := ask("POST", token("ann"), as("bob")...); a.code != 403 {
		t.Errorf("by the form of another one: %d %s", a.code, a.body)
	}
	if h.fleet.done() != "" {
		t.Errorf("done: %s", h.fleet.done())
	}
	if a := ask("POST", token("ann"), as("ann")...); a.code != 303 {
		t.Errorf("an operator reloads: %d %s", a.code, a.body)
	}
	eventually(t, "it is done", func() bool { return h.fleet.done() == "reload blog" })

	// The first refusal of a minute is told in the log.
	if a := ask("GET", nil, userHeader, "ann"); a.code != 403 {
		t.Errorf("a user without a secret: %d %s", a.code, a.body)
	}
	if !log.has("has not the secret of the proxy, and is refused") || !log.has("by=www-data") {
		t.Errorf("the log says %s", log.b.String())
	}
	for what, c := range map[string]struct {
		set  []string
		want string
	}{
		"nothing":                          {nil, "did not come by the proxy"},
		"a user without a secret":          {[]string{userHeader, "ann"}, "did not come by the proxy"},
		"a wrong secret":                   {[]string{secretHeader, proxySecret + "x", userHeader, "ann"}, "did not come by the proxy"},
		"a user without a secret, of root": {[]string{userHeader, "ann", "X-Test-Ours", "1"}, "did not come by the proxy"},
		"a secret without a user":          {[]string{secretHeader, proxySecret}, "has not said who you are"},
		"an empty user":                    {as(""), "has not said who you are"},
		"a user with an escape":            {as("ann\u009b31m"), "has not said who you are"},
		"a stranger":                       {as("dora"), "neither a viewer nor an operator"},
		"a star":                           {as("*"), "neither a viewer nor an operator"},
	} {
		if a := ask("GET", nil, c.set...); a.code != 403 || !strings.Contains(a.body, c.want) || strings.Contains(a.body, "blog") {
			t.Errorf("%s: %d %s", what, a.code, a.body)
		}
	}
	if log.has(proxySecret) {
		t.Errorf("the log has the secret: %s", log.b.String())
	}
	// Root needs no proxy, as before.
	if a := ask("GET", nil, "X-Test-Ours", "1"); a.code != 200 || !strings.Contains(a.body, "root, operator") {
		t.Errorf("root: %d %s", a.code, a.body)
	}
	// What the file says is so at once; one that cannot be read lets nobody in.
	if err := os.WriteFile(file, []byte("secret "+proxySecret+"\nviewer *\noperator dora\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for user, role := range map[string]string{"ann": "viewer", "dora": "operator"} {
		if a := ask("GET", nil, as(user)...); a.code != 200 || !strings.Contains(a.body, user+", "+role) {
			t.Errorf("%s is to be %s: %d %s", user, role, a.code, a.body)
		}
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if a := ask("GET", nil, as("dora")...); a.code != 403 || !strings.Contains(a.body, "cannot tell who you are") || strings.Contains(a.body, file) {
		t.Errorf("a file that others may read: %d %s", a.code, a.body)
	}
}

// Two users are one of the client's own and one of the proxy's.
func TestTheProxySaysItOnce(t *testing.T) {
	t.Parallel()
	h, _, _ := behindProxy(t, "secret "+proxySecret+"\noperator *\n")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{secretHeader: {proxySecret}, userHeader: {"root", "ann"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("two users: %s", resp.Status)
	}
}

// Each mistake in the file is named with its line, and what to write.
func TestMistakesInTheProxyFile(t *testing.T) {
	t.Parallel()
	const good = "secret " + proxySecret + "\n"
	for text, want := range map[string]string{
		"":                                "/etc/p: there is no line such as: secret TEXT",
		good:                              "/etc/p: nobody is let in",
		"viewer *\nsecret short\n":        "/etc/p:2: the secret has 5 characters, and needs 32",
		good + good + "viewer *":          "/etc/p:2: there is one secret",
		good + "viewer":                   `/etc/p:2: nothing follows "viewer"`,
		good + "\n# x\nadmin ann\n":       `/etc/p:4: "admin" is none of secret, operator, viewer`,
		"secret " + proxySecret + " more": "/etc/p:1: there is one secret, of one word",
	} {
		if _, err := parseRoles("/etc/p", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := readRoles("/nonexistent/proxy"); err == nil || !strings.Contains(err.Error(), "cannot read /nonexistent/proxy: no such file") {
		t.Error(err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readRoles(pipe); err == nil || !strings.Contains(err.Error(), "cannot read "+pipe+": it is no file") {
		t.Error(err)
	}
	con, err := New("127.0.0.1:9191", nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := con.Behind("/etc/p"); err == nil || !strings.Contains(err.Error(), "on a unix socket only: serve the console at unix:PATH, not at 127.0.0.1:9191") {
		t.Error(err)
	}
}
