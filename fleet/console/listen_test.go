package console

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"127.0.0.1:9191", "127.5.0.1:1", "[::1]:9191", "localhost:9191", "unix:/run/wsgid/console.sock"} {
		if _, err := New(good, nil, nil); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"0.0.0.0:9191": "no TLS", ":9191": "no TLS", "192.168.1.1:9191": "no TLS", "example.org:80": "no TLS", "[::]:1": "no TLS", "[::ffff:127.0.0.1]:80": "no TLS",
		"127.0.0.1": "neither", "9191": "neither", "": "neither", "127.0.0.1:0": "no port", "127.0.0.1:99999": "no port", "127.0.0.1:http": "no port", "127.0.0.1:+80": "no port",
		"unix:console.sock": "absolute", "unix:": "absolute", "unix:/" + strings.Repeat("x", 200): "at most 100",
	} {
		if _, err := New(bad, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", bad, err, want)
		}
	}
	if _, err := New("127.0.0.1:9191", []string{"http://x"}, nil); err == nil {
		t.Error("a URL is taken for a host")
	}
}

// logText is what was logged.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logText) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

// runConsole runs a console as the daemon does, until the test ends.
func runConsole(t *testing.T, address string, viewers ...string) (c *Console, l *logText, stop func()) {
	t.Helper()
	l = &logText{}
	c, err := New(address, nil, slog.New(slog.NewTextHandler(l, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range viewers {
		if err := c.ForViewers(v); err != nil {
			t.Fatal(err)
		}
	}
	c.retry = 20 * time.Millisecond
	f := &fake{dir: t.TempDir()}
	f.status.Apps = []fleet.AppStatus{{Name: "blog", State: "ready"}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx, f) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return c, l, stop
}

// On a unix socket the mode of the file is the guard; what was left there is taken
// away, and what is not a socket is not.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	dir := shortdir.New(t)
	path := filepath.Join(dir, "c.sock")
	if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, l, stop := runConsole(t, "unix:"+path)
	eventually(t, "the log says what is in the way", func() bool { return l.has("is not a socket") })
	if b, _ := os.ReadFile(path); string(b) != "mine" {
		t.Fatal("the file is gone")
	}
	if a := c.login(false, "ann"); !strings.Contains(a.Problem, "is not a socket") {
		t.Errorf("the command says %+v", a)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	get := func(host string) (int, string) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+"/", nil)
		resp, err := tr.RoundTrip(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	eventually(t, "it answers", func() bool {
		code, body := get("localhost:9191")
		return code == 200 && strings.Contains(body, "1 app: 1 ready")
	})
	if code, _ := get("evil.example"); code != 421 {
		t.Errorf("another host: %d", code)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o117 != 0 {
		t.Errorf("its mode: %v, %v", info.Mode(), err)
	}
	if a := c.login(false, "ann"); a.Socket != path || a.Problem != "" || a.URL != "" {
		t.Errorf("the command says %+v", a)
	}
	// A second one finds it taken; one that was killed is in nobody's way.
	_, l2, stop2 := runConsole(t, "unix:"+path)
	eventually(t, "it is taken", func() bool { return l2.has("another program listens") })
	stop2()
	stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file is left: %v", err)
	}
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	runConsole(t, "unix:"+path)
	eventually(t, "it answers again", func() bool { code, _ := get("localhost"); return code == 200 })
}

func TestFolderOfTheSocket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := safeFolder(dir); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := safeFolder(dir); err == nil {
		t.Error("a folder that all may write into is taken")
	}
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if err := safeFolder(dir); err != nil {
		t.Error(err)
	}
}

// Who comes by the socket of viewers looks and changes nothing, be he root; the group of
// its folder may open it, and the other socket is as it was.
func TestSocketOfViewers(t *testing.T) {
	t.Parallel()
	for bad, want := range map[string]string{
		"127.0.0.1:9192": "unix:PATH", "unix:viewers": "absolute", "unix:/run/c.sock": "the socket of operators already",
	} {
		c, err := New("unix:/run/c.sock", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.ForViewers(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", bad, err, want)
		}
	}
	dir := shortdir.New(t)
	group := os.Getegid()
	if os.Geteuid() == 0 {
		group = 33
		if err := os.Chown(dir, 0, group); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "v.sock")
	_, l, stop := runConsole(t, "unix:"+filepath.Join(dir, "c.sock"), "unix:"+path)
	client := func(path string) *http.Client {
		return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", path)
			}}}
	}
	read := func(resp *http.Response, err error) (int, string) {
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	eventually(t, "it answers", func() bool {
		code, body := read(client(path).Get("http://localhost:7/app/blog"))
		return code == 200 && strings.Contains(body, ", viewer<") && !strings.Contains(body, "<button")
	})
	form := url.Values{"verb": {"reload"}}
	if code, body := read(client(path).PostForm("http://localhost/app/blog", form)); code != 403 || !strings.Contains(body, "A viewer cannot change anything") {
		t.Errorf("a viewer reloads: %d %s", code, body)
	}
	if code, _ := read(client(path).Get("http://evil.example/")); code != 421 {
		t.Errorf("another host: %d", code)
	}
	eventually(t, "the other socket answers, an operator", func() bool {
		code, body := read(client(filepath.Join(dir, "c.sock")).Get("http://localhost/app/blog"))
		return code == 200 && strings.Contains(body, ", operator<")
	})
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Gid) != group || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket: %v of group %d, want %d", info.Mode(), st.Gid, group)
	}
	if !l.has("the group of its folder may open it") {
		t.Error("the log does not say who may open it")
	}
	stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file is left: %v", err)
	}
}
