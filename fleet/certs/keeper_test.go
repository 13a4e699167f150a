package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/certs/acmetest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// certmagic keeps a goroutine for each authority and address, for as long as the process
// lives.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(tidy{m}, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"))
}

// tidy fails where certmagic has written to a folder of its own choice: below the home of
// the user, and without one in the working directory.
type tidy struct{ m *testing.M }

func (t tidy) Run() int {
	before := certmagicFolders()
	code := t.m.Run()
	if after := certmagicFolders(); code == 0 && after != before {
		fmt.Fprintf(os.Stderr, "files lie where nobody has said: before %s, after %s\n", before, after)
		return 1
	}
	return code
}

func certmagicFolders() (out string) {
	home, _ := os.UserHomeDir()
	for _, dir := range []string{filepath.Join(home, ".local", "share", "certmagic"), os.Getenv("XDG_DATA_HOME") + "/certmagic", "."} {
		es, _ := os.ReadDir(dir)
		for _, e := range es {
			out += " " + filepath.Join(dir, e.Name())
		}
	}
	return out
}

// standIn answers challenges in the place of a gate.
type standIn struct {
	plain, secure net.Listener

	mu    sync.Mutex
	paths map[string]string
	pairs map[string]*tls.Certificate
}

func newStandIn(t *testing.T) *standIn {
	t.Helper()
	g := &standIn{paths: map[string]string{}, pairs: map[string]*tls.Certificate{}}
	var err error
	if g.plain, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if g.secure, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	srv := &http.Server{Handler: http.HandlerFunc(g.answer)}
	srv.SetKeepAlivesEnabled(false)
	wg.Go(func() { _ = srv.Serve(g.plain) })
	wg.Go(func() {
		for {
			c, err := g.secure.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				_ = tls.Server(c, &tls.Config{NextProtos: []string{"acme-tls/1"}, GetCertificate: g.certificate}).Handshake()
			})
		}
	})
	t.Cleanup(func() { srv.Close(); g.secure.Close(); wg.Wait() })
	return g
}

func (g *standIn) answer(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	text, ok := g.paths[r.URL.Path]
	g.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = io.WriteString(w, text)
}

func (g *standIn) certificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.pairs[h.ServerName]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("no challenge for %s", h.ServerName)
}

func (g *standIn) Present(_ context.Context, c *Challenge) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.Path != "" {
		g.paths[c.Path] = c.Answer
		return nil
	}
	pair, err := tls.X509KeyPair(c.Cert, c.Key)
	g.pairs[c.Host] = &pair
	return err
}

func (g *standIn) CleanUp(c *Challenge) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.paths, c.Path)
	if c.Cert != nil {
		delete(g.pairs, c.Host)
	}
}

// left tells of challenges that nobody has cleaned up.
func (g *standIn) left() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.paths) + len(g.pairs)
}

// dial leads all names to the stand-in.
func (g *standIn) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	to := g.plain
	if strings.HasSuffix(addr, ":443") {
		to = g.secure
	}
	return (&net.Dialer{}).DialContext(ctx, network, to.Addr().String())
}

// bench is a keeper at work, with an authority.
type bench struct {
	t         *testing.T
	gate      *standIn
	authority *acmetest.Server
	front     *acmetest.Front
	dir       string
	keeper    *Keeper
	issued    atomic.Int64
	later     atomic.Int64 // the clock is that much ahead
}

func newBench(t *testing.T) *bench {
	t.Helper()
	if testing.Short() {
		t.Skip("it runs an authority")
	}
	b := &bench{t: t, gate: newStandIn(t), dir: filepath.Join(t.TempDir(), "certificates")}
	b.authority = acmetest.Start(t, b.gate.plain.Addr().(*net.TCPAddr).Port, b.gate.secure.Addr().(*net.TCPAddr).Port)
	b.front = acmetest.NewFront(t, b.authority)
	b.open()
	return b
}

// open begins a keeper, in the place of the one before.
func (b *bench) open() {
	b.t.Helper()
	if b.keeper != nil {
		b.keeper.Close()
	}
	b.keeper = &Keeper{Dir: b.dir, Challenges: b.gate, Log: slog.New(slog.NewTextHandler(b.t.Output(), nil)), Dial: b.gate.dial,
		Issued: func(Site) { b.issued.Add(1) }, Changed: func(Site) {}, Now: b.now}
	b.t.Cleanup(b.keeper.Close)
}

func (b *bench) now() time.Time { return time.Now().Add(time.Duration(b.later.Load())) }

// sleepUntil sets the clock ahead.
func (b *bench) sleepUntil(at time.Time) {
	b.later.Store(int64(time.Until(at)))
	b.keeper.look()
}

func (b *bench) site(host string) Site {
	return Site{Host: host, App: "blog", Authority: Authority{Directory: b.front.Directory, Email: "ops@example.org", Roots: b.authority.Roots, Ways: Ways{true, true}}}
}

func (b *bench) until(what string, is func() bool) {
	b.t.Helper()
	await.TrueIn(b.t, 6*time.Minute, what, is)
}

// got waits for what a good order brings. The authority refuses and cuts now and then, as
// real ones do: the clock is set to when the name is tried again.
func (b *bench) got(host, what string, is func() bool) {
	b.t.Helper()
	b.until(what, func() bool {
		if is() {
			return true
		}
		if st := b.look(host); st.Failures > 0 && st.RetryAt.After(b.now()) {
			b.sleepUntil(st.RetryAt.Add(time.Second))
		}
		return false
	})
}

// first has the keeper get a certificate and returns what its file holds.
func (b *bench) first(host string) []byte {
	b.t.Helper()
	b.keeper.Want([]Site{b.site(host)})
	b.got(host, "a certificate", func() bool { return b.has(host) })
	pair, err := os.ReadFile(PairFile(b.dir, host))
	if err != nil {
		b.t.Fatal(err)
	}
	return pair
}

// has tells that there is a certificate.
func (b *bench) has(host string) bool { return b.look(host).Issuer != "" }

func (b *bench) look(host string) Status { return Look(b.dir, host) }

// serves tells whether a client that knows the authority takes what is there.
func (b *bench) serves(host string) error {
	pair, err := tls.LoadX509KeyPair(PairFile(b.dir, host), PairFile(b.dir, host))
	if err != nil {
		return err
	}
	_, err = pair.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: b.authority.Issuers(b.t), CurrentTime: time.Now()})
	return err
}

func TestCertificateOfEachName(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	hosts := []string{"blog.example.test", "www.blog.example.test", "xn--bcher-kva.example.test"}
	only := b.site("tls.example.test")
	only.Authority.Ways = Ways{TLS: true}
	plain := b.site("plain.example.test")
	plain.Authority.Ways = Ways{Plain: true}
	sites := []Site{only, plain}
	for _, h := range hosts {
		sites = append(sites, b.site(h))
	}
	b.keeper.Want(sites)
	for _, s := range sites {
		b.got(s.Host, "a certificate of "+s.Host, func() bool { return b.has(s.Host) })
		if err := b.serves(s.Host); err != nil {
			t.Error(err)
		}
		info, err := os.Stat(PairFile(b.dir, s.Host))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info, err)
		}
		if st := b.look(s.Host); st.Error != "" || st.Failures != 0 || !st.Renew.After(time.Now()) || !st.NotAfter.After(st.Renew) {
			t.Errorf("%+v", st)
		}
	}
	b.until("all challenges are gone", func() bool { return b.gate.left() == 0 })
	// Another daemon finds them and orders none anew.
	b.open()
	was := b.issued.Load()
	b.keeper.Want(sites)
	b.until("all names were looked at", func() bool { return len(b.keeper.Hosts()) == len(sites) })
	b.keeper.Close()
	if n := b.issued.Load(); n != was {
		t.Errorf("%d certificates were got once more", n-was)
	}
}

// TestRenewal: the authority says by ARI that it wants all certificates renewed now.
func TestRenewal(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const host = "blog.example.test"
	before := b.first(host)
	var replaced atomic.Bool
	answer := func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, acmetest.RenewalPath) {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "3600")
		now := time.Now()
		end := now.Add(-time.Hour)
		if b.issued.Load() > 1 {
			end = now.Add(240 * time.Hour)
		}
		replaced.Store(true)
		_ = json.NewEncoder(w).Encode(map[string]any{"suggestedWindow": map[string]any{"start": end.Add(-time.Hour), "end": end}, "explanationURL": "https://example.test/why"})
		return true
	}
	b.front.Answer.Store(&answer)
	b.sleepUntil(time.Now().Add(2 * time.Minute)) // it asks a minute after the issue
	b.got(host, "another certificate", func() bool { return b.issued.Load() == 2 })
	if !replaced.Load() {
		t.Error("the authority was not asked when it wants the certificate to be renewed")
	}
	if err := b.serves(host); err != nil {
		t.Error(err)
	}
	after, err := os.ReadFile(PairFile(b.dir, host))
	if err != nil || string(after) == string(before) {
		t.Errorf("the same certificate serves: %v", err)
	}
	// Without ARI, when a third of its life is left.
	b.front.Answer.Store(nil)
	b.sleepUntil(b.look(host).NotAfter.Add(-time.Hour))
	b.got(host, "a third one", func() bool { return b.issued.Load() == 3 })
}

// TestAuthorityFails: whatever it does, what serves serves on, and it is said why.
func TestAuthorityFails(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const host = "blog.example.test"
	before := b.first(host)
	first := b.look(host)
	problem := func(status int, kind, detail string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || strings.HasPrefix(r.URL.Path, "/sign-me-up") {
				return false
			}
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:ietf:params:acme:error:" + kind, "detail": detail, "status": status})
			return true
		}
	}
	cut := func(w http.ResponseWriter, _ *http.Request) bool {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			c.Close()
		}
		return true
	}
	plain429 := func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	at := first.Renew.Add(time.Hour)
	until := at.Add(72 * time.Hour).UTC().Truncate(time.Second)
	for i, c := range []struct {
		answer    func(http.ResponseWriter, *http.Request) bool
		what      string
		wait, max time.Duration
	}{
		{problem(429, "rateLimited", "too many certificates already issued, retry after "+until.Format(time.DateTime)+" UTC: see https://example.test/limits"), "accepts no more orders for now: too many", 72 * time.Hour, 73 * time.Hour},
		{problem(503, "serverInternal", "down\x1b[31m for\nmaintenance"), "has an internal problem: down [31m for maintenance", time.Minute, 7 * time.Hour},
		{plain429, "accepts no more orders for now", time.Hour, 7 * time.Hour},
		{cut, "cannot be reached", time.Minute, 7 * time.Hour},
	} {
		answer := c.answer
		b.front.Answer.Store(&answer)
		b.sleepUntil(at)
		b.until("failure "+c.what, func() bool { return b.look(host).Failures == i+1 })
		st := b.look(host)
		if !strings.Contains(st.Error, c.what) || st.Next == "" {
			t.Errorf("%q, next %q\nwant %q", st.Error, st.Next, c.what)
		}
		if wait := st.RetryAt.Sub(at); wait < c.wait-time.Minute || wait > c.max {
			t.Errorf("%s: tried again after %v", c.what, wait)
		}
		if now, err := os.ReadFile(PairFile(b.dir, host)); err != nil || string(now) != string(before) {
			t.Fatalf("%s: what serves has changed: %v", c.what, err)
		}
		at = st.RetryAt.Add(time.Minute)
	}
	// A daemon that is started anew waits as well.
	b.keeper.Close()
	st := b.look(host)
	b.later.Store(int64(time.Until(st.RetryAt.Add(-time.Minute))))
	b.open()
	asked := b.front.Asked.Load()
	b.keeper.Want([]Site{b.site(host)})
	b.until("the name is known", func() bool { return len(b.keeper.Hosts()) == 1 })
	if n := b.front.Asked.Load(); n != asked {
		t.Errorf("it asks %d times before the time has come", n-asked)
	}
	// The authority is back after a month.
	b.front.Answer.Store(nil)
	b.sleepUntil(st.RetryAt.Add(30 * 24 * time.Hour))
	b.got(host, "it is renewed", func() bool { return b.look(host).Failures == 0 && b.issued.Load() == 2 })
	if st := b.look(host); st.Error != "" || !st.RetryAt.IsZero() {
		t.Errorf("%+v", st)
	}
}

// TestWrongCertificate: what the authority gives is looked at before it serves.
func TestWrongCertificate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	other, err := os.ReadFile(b.authority.Roots)
	if err != nil {
		t.Fatal(err)
	}
	b.front.Certs.Store(&other)
	const host = "blog.example.test"
	b.keeper.Want([]Site{b.site(host)})
	b.got(host, "it is refused", func() bool { return strings.Contains(b.look(host).Error, "an unusable certificate") })
	if st := b.look(host); st.Issuer != "" {
		t.Errorf("%+v", st)
	}
	if _, err := os.Stat(PairFile(b.dir, host)); !os.IsNotExist(err) {
		t.Errorf("it serves: %v", err)
	}
	b.front.Certs.Store(nil)
	b.sleepUntil(b.look(host).RetryAt)
	b.got(host, "a good one", func() bool { return b.serves(host) == nil })
}

// TestAuthorityHangs: it holds up nothing but its own order.
func TestAuthorityHangs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	hang := func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	b.front.Answer.Store(&hang)
	b.keeper.Limit = 2 * time.Second
	const host = "blog.example.test"
	b.keeper.Want([]Site{b.site(host)})
	b.until("it is given up", func() bool { return b.look(host).Failures == 1 })
	if st := b.look(host); !strings.Contains(st.Error, "did not answer in time") || st.Next == "" || time.Until(st.RetryAt) < time.Minute {
		t.Errorf("%+v", st)
	}
	asked := b.front.Asked.Load()
	b.keeper.Limit = time.Hour // read when the next one begins
	b.sleepUntil(b.look(host).RetryAt)
	b.until("it is asked again", func() bool { return b.front.Asked.Load() > asked })
	b.keeper.Close() // in the middle of it
	if st := b.look(host); st.Failures != 1 {
		t.Errorf("the end of the daemon counts as a failure: %+v", st)
	}
}

// TestNameThatLeadsElsewhere: nothing is asked of the authority for it.
func TestNameThatLeadsElsewhere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	other := newStandIn(t)
	const host = "blog.example.test"
	b.keeper.Dial = other.dial
	b.keeper.Want([]Site{b.site(host)})
	b.until("it is found out", func() bool { return b.look(host).Failures >= 1 })
	if st := b.look(host); !strings.Contains(st.Error, "the name points elsewhere") || !strings.Contains(st.Next, "A and AAAA") {
		t.Errorf("%+v", st)
	}
	b.keeper.Close()
	if n := b.front.Asked.Load(); n != 0 {
		t.Errorf("the authority was asked %d times", n)
	}
	if b.gate.left() != 0 {
		t.Error("challenges are left")
	}
}

// TestNothingWantedNothingMade: without a name nothing of it is there, on disk or in
// memory.
func TestNothingWantedNothingMade(t *testing.T) {
	t.Parallel()
	k := &Keeper{Dir: filepath.Join(t.TempDir(), "certificates")}
	k.Want(nil)
	if k.dealing != nil || k.cancel != nil {
		t.Error("something was made")
	}
	k.Close()
	if _, err := os.Stat(k.Dir); !os.IsNotExist(err) {
		t.Error(err)
	}
}
