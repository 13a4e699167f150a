package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is one running contender.
type server struct {
	name  string       // its maker's
	specs string       // of a fleet: their folder
	url   string       // without a path
	pids  func() []int // the processes that serve, whose memory and time count
	stop  func()

	daemon int // of a fleet: its pid
}

// site is what a server serves: a WSGI module with its folder.
type site struct {
	app  string // the folder for sys.path
	wsgi string // module:attr
	env  []string
	// spec and workers are put into our spec; without workers it is one.
	spec, workers string
	front         string // the gate before it, in our spec
	processes     int    // workers of the peers; 0: one
}

// lastPort is the last one that freePort gave out.
var lastPort = 10000

// freePort returns an address that nobody listens on, each only once, below
// those that the kernel gives to connections: a client's connection must not
// take it before the server does.
func freePort() (string, error) {
	var config net.ListenConfig
	for lastPort < 30000 {
		lastPort++
		addr := fmt.Sprintf("127.0.0.1:%d", lastPort)
		l, err := config.Listen(context.Background(), "tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
	}
	return "", errors.New("no port below 30000 is free")
}

// up waits until the address answers anything over HTTP.
func up(ctx context.Context, url, log string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, //nolint:gosec // a server of ours, by a certificate of ours
	}}
	for {
		err := get(ctx, &client, url)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			text, _ := os.ReadFile(log)
			return fmt.Errorf("%s does not answer: %w\n%s", url, err, text)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusMisdirectedRequest {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

// maker starts a contender for a site.
type maker struct {
	name  string
	start func(ctx context.Context, b *bench, s site) (*server, error)
}

var (
	ours         = maker{"wsgid-fleet", startOurs}
	uwsgiHTTP    = maker{"uWSGI --http", startUwsgiHTTP}
	uwsgiSocket  = maker{"uWSGI --http-socket", startUwsgiSocket}
	gunicornSync = maker{"gunicorn sync", startGunicornSync}
	gunicornGt   = maker{"gunicorn gthread", startGunicornGthread}
	nginxUwsgi   = maker{"nginx + uWSGI", startNginx}
	oursMongrel2 = maker{"mongrel2 + wsgid-fleet", startOursMongrel2}
	noopMongrel2 = maker{"mongrel2 + no-op handler", startNoopMongrel2}
)

// fleetOf starts a daemon over one app with one worker.
func (b *bench) fleetOf(ctx context.Context, s site, sockets string) (*server, string, error) {
	dir, err := b.temp("f")
	if err != nil {
		return nil, "", err
	}
	specs, state, folder := filepath.Join(dir, "d"), b.state(dir), filepath.Join(dir, "bench")
	if err := b.appFolder(folder, s.app); err != nil {
		return nil, "", err
	}
	if err := os.Mkdir(specs, 0o755); err != nil {
		return nil, "", err
	}
	if err := os.WriteFile(filepath.Join(specs, "bench.hcl"), []byte(s.hcl("bench", folder, sockets)), 0o644); err != nil {
		return nil, "", err
	}
	if s.front != "" {
		if err := os.WriteFile(filepath.Join(specs, "gate.hcl"), []byte(s.front), 0o644); err != nil {
			return nil, "", err
		}
	}
	c, err := b.children.start("wsgid-fleet", dir, nil, syscall.SIGTERM, b.fleet, "run", "--dir", specs, "--state-dir", state)
	if err != nil {
		return nil, "", err
	}
	return &server{
		specs: specs,
		pids:  func() []int { return mastersOf(state) },
		stop:  func() { c.stop(syscall.SIGTERM) },

		daemon: c.Process.Pid,
	}, c.log, nil
}

// appFolder makes a wsgid folder whose app/ is a copy, owned by whoever runs
// apps here. One that is there stays.
func (b *bench) appFolder(folder, app string) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(folder, "app"), os.DirFS(app)); err != nil {
		return err
	}
	return b.give(folder)
}

// hcl writes the site as a spec with one worker.
func (s site) hcl(name, folder, sockets string) string {
	var env strings.Builder
	for _, pair := range s.env {
		key, value, _ := strings.Cut(pair, "=")
		fmt.Fprintf(&env, "    %s = %q\n", key, value)
	}
	return fmt.Sprintf(`app %q {
  path     = %q
  wsgi_app = %q
  env = {
%s  }
  sockets {
%s
  }
  workers {
    %s
  }
  request {
    max_body = "4GiB"
  }
%s}
`, name, folder, s.wsgi, env.String(), sockets, cmp.Or(s.workers, "count = 1"), s.spec)
}

// mastersOf are the masters that have a record below the state directory, and
// their workers.
func mastersOf(state string) []int {
	var pids []int
	paths, _ := filepath.Glob(filepath.Join(state, "apps/*/master-*.json"))
	for _, path := range paths {
		var record struct{ PID int }
		text, err := os.ReadFile(path)
		if err == nil && json.Unmarshal(text, &record) == nil && record.PID > 0 {
			pids = append(pids, tree(record.PID)...)
		}
	}
	return pids
}

func startOurs(ctx context.Context, b *bench, s site) (*server, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	v, log, err := b.fleetOf(ctx, s, fmt.Sprintf("    http { listen = %q }", addr))
	if err != nil {
		return nil, err
	}
	v.url = "http://" + addr
	return v, up(ctx, v.url, log)
}

// uwsgi starts uWSGI with a master and as many workers as ours has.
func (b *bench) uwsgi(s site, options ...string) (*child, error) {
	args := []string{
		"--master", "--processes", strconv.Itoa(max(s.processes, 1)), "--need-app", "--disable-logging", "--listen", "100",
		"--pythonpath", s.app, "--module", s.wsgi, "--die-on-term",
	}
	for _, pair := range s.env {
		args = append(args, "--env", pair)
	}
	return b.children.start("uwsgi", b.dir, nil, syscall.SIGKILL, "uwsgi_python3", append(args, options...)...)
}

func startUwsgiHTTP(ctx context.Context, b *bench, s site) (*server, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	c, err := b.uwsgi(s, "--plugin", "http", "--http", addr, "--http-keepalive")
	return b.ready(ctx, addr, c, err)
}

func startUwsgiSocket(ctx context.Context, b *bench, s site) (*server, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	// It closes each connection without saying so; the header tells clients.
	c, err := b.uwsgi(s, "--http-socket", addr, "--add-header", "Connection: close")
	return b.ready(ctx, addr, c, err)
}

// ready waits until a freshly started child answers.
func (b *bench) ready(ctx context.Context, addr string, c *child, err error) (*server, error) {
	if err != nil {
		return nil, err
	}
	v := &server{
		url:  "http://" + addr,
		pids: func() []int { return tree(c.Process.Pid) },
		stop: func() { c.stop(syscall.SIGTERM) },
	}
	return v, up(ctx, v.url, c.log)
}

func (b *bench) gunicorn(ctx context.Context, s site, options ...string) (*server, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	args := append([]string{"--bind", addr, "--workers", "1", "--pythonpath", s.app, "--timeout", "120"}, options...)
	for _, pair := range s.env {
		args = append(args, "--env", pair)
	}
	c, err := b.children.start("gunicorn", b.dir, nil, syscall.SIGKILL, "gunicorn", append(args, s.wsgi)...)
	return b.ready(ctx, addr, c, err)
}

func startGunicornSync(ctx context.Context, b *bench, s site) (*server, error) {
	return b.gunicorn(ctx, s, "--worker-class", "sync")
}

func startGunicornGthread(ctx context.Context, b *bench, s site) (*server, error) {
	return b.gunicorn(ctx, s, "--worker-class", "gthread", "--threads", peerThreads)
}

func startNginx(ctx context.Context, b *bench, s site) (*server, error) {
	return b.nginx(ctx, s, "http://", "", "")
}

// nginx starts nginx before uWSGI, with more for its listener.
func (b *bench) nginx(ctx context.Context, s site, scheme, listen, more string) (*server, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := b.temp("n")
	if err != nil {
		return nil, err
	}
	conf, err := b.fill("nginx.conf", dir, "DIR", dir, "ADDR", addr+listen, "MORE", more)
	if err != nil {
		return nil, err
	}
	u, err := b.uwsgi(s, "--socket", filepath.Join(dir, "uwsgi.sock"), "--chmod-socket=666")
	if err != nil {
		return nil, err
	}
	n, err := b.children.start("nginx", dir, nil, syscall.SIGKILL, "/usr/sbin/nginx", "-c", conf, "-p", dir)
	return b.pair(ctx, scheme, addr, n, u, err)
}

// pair waits until a web server before uWSGI answers; both count.
func (b *bench) pair(ctx context.Context, scheme, addr string, web, uwsgi *child, err error) (*server, error) {
	if err != nil {
		uwsgi.stop(syscall.SIGTERM)
		return nil, err
	}
	v := &server{
		url:  scheme + addr,
		pids: func() []int { return append(tree(web.Process.Pid), tree(uwsgi.Process.Pid)...) },
		stop: func() { web.stop(syscall.SIGTERM); uwsgi.stop(syscall.SIGTERM) },
	}
	return v, up(ctx, v.url, web.log)
}
