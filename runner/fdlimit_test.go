package runner

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// Clients that keep as many connections open as the master has descriptors do not
// lock the operator out: workers are replaced, the control socket answers, a new
// client is served for the one that was idle longest. And it costs no CPU.
func TestDescriptorsAreKept(t *testing.T) {
	a := newTestApp(t, abuseApp, nil)
	h := a.start(StateReady)
	limit := uint64(openFiles(t, h.PID)) + 60
	if err := unix.Prlimit(h.PID, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}, nil); err != nil {
		t.Fatal(err)
	}
	var clients []*client
	begin := time.Now()
	for range 100 {
		c := a.dial()
		clients = append(clients, c)
		c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if got := c.answer("GET"); got.StatusCode != http.StatusOK {
			t.Fatalf("connection %d: %s", len(clients), got.Status)
		}
	}
	if d := time.Since(begin); d > patience {
		t.Errorf("100 clients were served in %v", d)
	}
	a.mustLogLine("WARN", "the limit of open files is almost reached", "that were idle longest", "LimitNOFILE=")
	clients[0].closed()
	last := clients[len(clients)-1]
	last.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if got := last.answer("GET"); got.StatusCode != http.StatusOK {
		t.Errorf("the youngest: %s", got.Status)
	}
	st, err := h.Status(a.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	restsFor(t, h.PID, 500*time.Millisecond)
	old := st.Workers[0].PID
	if err := unix.Kill(old, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	st = a.wait(h, func(st Status) bool { return st.State == StateReady && !pids(st)[old] })
	old = st.Workers[0].PID
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(st Status) bool { return st.State == StateReady && len(st.Workers) == 1 && !pids(st)[old] })
	if n := uint64(openFiles(t, h.PID)); n >= limit {
		t.Errorf("all %d descriptors are in use", n)
	}
}

// Clients that were there when the limit, or the number of workers, became another one hold
// no worker up: those that are idle make room for it.
func TestWorkersAreStartedWhereIdleClientsHaveAllDescriptors(t *testing.T) {
	a := newTestApp(t, abuseApp, nil)
	h := a.start(StateReady)
	for range 50 {
		c := a.dial()
		c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if got := c.answer("GET"); got.StatusCode != http.StatusOK {
			t.Fatal(got.Status)
		}
	}
	limit := uint64(openFiles(t, h.PID)) + 6 // for who asks, and less than a worker needs
	if err := unix.Prlimit(h.PID, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}, nil); err != nil {
		t.Fatal(err)
	}
	more := *a.spec
	more.Workers.Min, more.Workers.Max = 3, 3
	if err := h.Update(a.ctx(), &more, 2, false); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(st Status) bool { return st.State == StateReady && len(st.Workers) == 3 })
	a.mustLogLine("WARN", "the limit of open files is almost reached", "that were idle longest")
}

// So it is over HTTPS, by either protocol.
func TestDescriptorsAreKeptFromTLS(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			files := writeCertificate(t, t.TempDir())
			a := newTestApp(t, abuseApp, func(s *appspec.Spec) { s.Sockets.HTTP[0].TLS = files })
			h := a.start(StateReady)
			limit := uint64(openFiles(t, h.PID)) + 60
			if err := unix.Prlimit(h.PID, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}, nil); err != nil {
				t.Fatal(err)
			}
			get := func(c *http.Client) string {
				resp, err := c.Get("https://" + a.addr + "/")
				if err != nil {
					return err.Error()
				}
				defer resp.Body.Close()
				_, _ = io.Copy(io.Discard, resp.Body)
				return resp.Proto + " " + resp.Status
			}
			var clients []*http.Client
			for range 100 {
				tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: proto == "HTTP/2.0"}
				t.Cleanup(tr.CloseIdleConnections)
				clients = append(clients, &http.Client{Transport: tr, Timeout: patience})
				if got := get(clients[len(clients)-1]); got != proto+" 200 OK" {
					t.Fatalf("client %d: %s", len(clients), got)
				}
			}
			a.mustLogLine("WARN", "the limit of open files is almost reached", "that were idle longest", "LimitNOFILE=")
			// Who was let go comes again.
			for _, c := range []*http.Client{clients[0], clients[len(clients)-1]} {
				if got := get(c); got != proto+" 200 OK" {
					t.Errorf("once more: %s", got)
				}
			}
			if err := h.Reload(a.ctx()); err != nil {
				t.Fatal(err)
			}
			if n := uint64(openFiles(t, h.PID)); n >= limit {
				t.Errorf("all %d descriptors are in use", n)
			}
		})
	}
}

// Without descriptors of our own a master that runs is not taken for one that is
// gone: who looks for it is told that nothing is known, and its record stays.
func TestMastersWithoutDescriptors(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	h := a.start(StateReady)
	record := filepath.Join(control.AppDir(a.state, "demo"), filepath.Base(h.File("")))
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	found, err := FindMasters(a.state, "demo")
	alive, kill := h.Alive(), h.Kill()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err == nil || !errors.Is(err, unix.EMFILE) {
		t.Errorf("found %v, %v", found, err)
	}
	if !alive {
		t.Error("it is said to be dead")
	}
	if !errors.Is(kill, unix.EMFILE) {
		t.Errorf("killed: %v", kill)
	}
	if _, err := os.Stat(record); err != nil {
		t.Errorf("its record: %v", err)
	}
	if found, err := FindMasters(a.state, "demo"); err != nil || len(found) != 1 || found[0].PID != h.PID {
		t.Errorf("afterwards: %v, %v", found, err)
	}
}
