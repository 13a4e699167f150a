package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
)

// siteName is what the apps behind a gate are asked for; it leads to this machine.
const siteName = "localhost"

var (
	oursGate   = maker{"wsgid-fleet, through the gate", startGate}
	oursBare   = maker{"wsgid-fleet without the gate", startOurs}
	haproxy    = maker{"haproxy + uWSGI", startHaproxy}
	oursSecure = maker{"wsgid-fleet, HTTPS through the gate", startSecureGate}
	nginxTLS   = maker{"nginx with TLS + uWSGI", startSecureNginx}
)

// gateBar is what must hold through the gate beside the same app without it, and beside
// a web server before uWSGI.
func gateBar(peer string, _ int, keep bool) bar {
	switch {
	case peer == oursBare.name && keep:
		return bar{least: 0.95}
	case peer == oursBare.name:
		return bar{least: 0.6}
	case keep:
		return bar{least: 2}
	}
	return bar{}
}

func secureBar(_ string, connections int, keep bool) bar {
	switch {
	case !keep:
		return bar{least: 1.2}
	case connections == 1:
		return bar{least: 1.1}
	}
	return bar{least: 2.8}
}

// startGate starts an app that has a name and no address of its own.
func startGate(ctx context.Context, b *bench, s site) (*server, error) {
	return b.gated(ctx, s, "http://", "")
}

func startSecureGate(ctx context.Context, b *bench, s site) (*server, error) {
	pair, err := b.certificate()
	if err != nil {
		return nil, err
	}
	return b.gated(ctx, s, "https://", fmt.Sprintf("    tls {\n      cert = %q\n      key  = %q\n    }\n", pair, pair))
}

func (b *bench) gated(ctx context.Context, s site, scheme, tls string) (*server, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	s.spec += fmt.Sprintf("  hosts = [%q]\n", siteName)
	s.front = fmt.Sprintf("gate {\n  http {\n    listen = %q\n%s  }\n}\n", addr, tls)
	v, log, err := b.fleetOf(ctx, s, "")
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	v.url = scheme + siteName + ":" + port
	// Before it knows the app, a gate says that nobody has the name.
	return v, up(ctx, v.url, log)
}

// certificate makes the pair, in one file, by which all servers of a run speak TLS.
func (b *bench) certificate() (string, error) {
	path := filepath.Join(b.dir, "localhost.pem")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	c, err := certtest.New(nil, certtest.Called(siteName), certtest.Names(siteName))
	if err != nil {
		return "", fmt.Errorf("cannot make a certificate: %w", err)
	}
	return path, os.WriteFile(path, c.Both(), 0o600)
}

// startSecureNginx has nginx speak TLS 1.3, too, which Debian's configuration does and
// the program by itself does not before 1.23.4: a client would get an older one there.
func startSecureNginx(ctx context.Context, b *bench, s site) (*server, error) {
	pair, err := b.certificate()
	if err != nil {
		return nil, err
	}
	return b.nginx(ctx, s, "https://", " ssl", fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s; ssl_protocols TLSv1.2 TLSv1.3;", pair, pair))
}

// startHaproxy starts haproxy before uWSGI, which it asks by HTTP: it does not speak
// uWSGI's own protocol.
func startHaproxy(ctx context.Context, b *bench, s site) (*server, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := b.temp("h")
	if err != nil {
		return nil, err
	}
	conf, err := b.fill("haproxy.cfg", dir, "DIR", dir, "ADDR", addr)
	if err != nil {
		return nil, err
	}
	u, err := b.uwsgi(s, "--http-socket", filepath.Join(dir, "uwsgi.sock"), "--chmod-socket=666")
	if err != nil {
		return nil, err
	}
	h, err := b.children.start("haproxy", dir, nil, syscall.SIGKILL, "/usr/sbin/haproxy", "-db", "-f", conf)
	return b.pair(ctx, "http://", addr, h, u, err)
}

// unrouted is how many connections a gate has of which it does not know the name yet,
// when its memory is measured.
const unrouted = 10_000

// crowd is what a gate takes for connections that have sent half a head.
func (b *bench) crowd(ctx context.Context, s site) error {
	if err := moreFiles(unrouted + 500); err != nil {
		return err
	}
	v, err := startGate(ctx, b, s)
	if v != nil {
		defer v.stop()
	}
	if err != nil {
		return err
	}
	gate := v.gate()
	if gate == 0 {
		return fmt.Errorf("no gate runs")
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(v.url, "http://"))
	var size int64
	for range 3 {
		if size, err = crowdOnce(ctx, gate, net.JoinHostPort("127.0.0.1", port)); !errors.Is(err, errLate) {
			break
		}
	}
	if err != nil {
		return err
	}
	mb := float64(size) / (1 << 20)
	b.table.add(row{
		what: "gate with 10,000 open connections that have not said their host: PSS", ours: fmt.Sprintf("%.1f MB", mb),
		value: mb, bar: bar{most: 12, unit: "MB"},
	})
	return nil
}

// errLate: the gate gives a head ten seconds, and the first connections had no more.
var errLate = fmt.Errorf("%d connections took too long to be made: the first ones have timed out", unrouted)

func crowdOnce(ctx context.Context, gate int, addr string) (int64, error) {
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	begin := time.Now()
	for i := range unrouted {
		// Of several addresses: each may have a share only.
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%8))}}
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return 0, fmt.Errorf("connection %d: %w", i, err)
		}
		conns = append(conns, c)
		if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n", siteName); err != nil {
			return 0, fmt.Errorf("connection %d: %w", i, err)
		}
		if time.Since(begin) > 9*time.Second {
			return 0, errLate
		}
	}
	size, err := pss(tree(gate)) // with who guards it
	if err == nil && time.Since(begin) > 9*time.Second {
		err = errLate
	}
	return size, err
}

// idleBehindGate is what an app takes that is reached by its name, beside the same app
// with an address of its own; the gate, which all apps share, is not counted.
func (b *bench) idleBehindGate(ctx context.Context, s site) error {
	servers, stop, err := b.startAll(ctx, s, []maker{oursGate, oursBare})
	defer stop()
	if err != nil {
		return err
	}
	sizes, err := atRest(ctx, servers, (*server).apps)
	if err != nil {
		return err
	}
	b.table.add(row{
		what: "idle app that is reached by name, master and one worker: PSS", peer: oursBare.name,
		ours: fmt.Sprintf("%.2f MB", sizes[0]), their: fmt.Sprintf("%.2f MB", sizes[1]),
		ratio: sizes[0] / sizes[1], bar: bar{most: 1.02},
	})
	return nil
}

// gate is the process of a fleet's gate; 0: it has none.
func (v *server) gate() int {
	for _, pid := range v.pids() {
		text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if strings.Contains(string(text), "master _gate") {
			return pid
		}
	}
	return 0
}

// apps are the masters and workers of a fleet, without its gate and who guards that.
func (v *server) apps() (out []int) {
	var front []int
	if gate := v.gate(); gate != 0 {
		front = tree(gate)
	}
	for _, pid := range v.pids() {
		if !slices.Contains(front, pid) {
			out = append(out, pid)
		}
	}
	return out
}

// moreFiles sees to it that this process may have so many descriptors.
func moreFiles(n uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Cur >= n {
		return nil
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: max(n, limit.Max)}); err != nil {
		return fmt.Errorf("cannot open %d descriptors, the limit is %d: %w", n, limit.Cur, err)
	}
	return nil
}
