package runner

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// connectedApp answers by its worker and by the port of the connection that it
// has open.
const connectedApp = `
import os, socket, threading, time, wsgid
def connect():
    global c
    c = socket.create_connection(("127.0.0.1", int(os.environ["PEER"])))
%s
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    time.sleep(0.01)  # so that requests at once are at several workers
    return [b"%%d %%d" %% (os.getpid(), c.getsockname()[1])]
`

const (
	connectsAtImport = "connect()"
	connectsPostfork = "wsgid.postfork(connect)"
	// A thread of the template connects once workers are forked already.
	connectsLater = connectsPostfork + `
def later():
    while not os.path.exists("later"):
        time.sleep(0.01)
    connect()
    os.close(os.open("connected", os.O_CREAT | os.O_WRONLY))
threading.Thread(target=later, daemon=True).start()
`
)

// startConnected starts four preloaded workers of connectedApp. connected counts
// the connections that it has opened.
func startConnected(t *testing.T, code string) (a *testApp, h *Handle, connected *atomic.Int32, peer string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	connected = new(atomic.Int32)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			connected.Add(1)
		}
	}()
	peer = ln.Addr().String()
	a = newTestApp(t, fmt.Sprintf(connectedApp, code), func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max, s.Workers.Preload = 4, 4, true
		s.Env = map[string]string{"PEER": fmt.Sprint(ln.Addr().(*net.TCPAddr).Port)}
	})
	return a, a.start(StateReady), connected, peer
}

// mustBeApart asks until each of the four workers has answered: none answers by
// the connection of another one.
func (a *testApp) mustBeApart() {
	a.t.Helper()
	workers, ports := map[string]string{}, map[string]string{}
	for deadline := time.Now().Add(patience); len(workers) < 4; {
		if time.Now().After(deadline) {
			a.t.Fatalf("only workers %v have answered", workers)
		}
		var wg sync.WaitGroup
		answers := make([]string, 8)
		for i := range answers {
			wg.Go(func() { _, answers[i] = a.get("/") })
		}
		wg.Wait()
		for _, answer := range answers {
			pid, port, ok := strings.Cut(answer, " ")
			if other := ports[port]; !ok || other != "" && other != pid {
				a.t.Fatalf("%q: workers %s and %s answer by one connection", answer, other, pid)
			}
			workers[pid], ports[port] = port, pid
		}
	}
}

func mustWarn(t *testing.T, st Status, peer string) {
	t.Helper()
	text := strings.Join(st.Warnings, "\n")
	for _, want := range []string{"workers.preload is not in effect, each worker loads the application by itself",
		"a TCP socket connected to " + peer + " (app.c, a socket.socket)", "@wsgid.prefork", "@wsgid.postfork", "wsgid.shared"} {
		if !strings.Contains(text, want) {
			t.Errorf("warnings %q, want %q", text, want)
		}
	}
	if st.State != StateReady || st.Restarts != 0 || st.LastError != "" {
		t.Errorf("%s, %d restarts, last error %q", st.State, st.Restarts, st.LastError)
	}
}

// Workers of an application that has a connection open when it is imported would
// read each other's answers, were they forked: each loads it by itself instead,
// and the operator is told.
func TestPreloadThatWouldShare(t *testing.T) {
	t.Parallel()
	a, h, _, peer := startConnected(t, connectsAtImport)
	a.mustBeApart()
	st, err := h.Status(a.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	mustWarn(t, st, peer)
	a.mustLogLine("WARN", "workers.preload is not in effect", peer, "@wsgid.postfork")
	if n := strings.Count(a.logText(), "workers.preload is not in effect"); n != 1 {
		t.Errorf("said %d times", n)
	}

	// Mended by what the line says, it is forked, and nothing is left to warn of.
	reload := func(code string, ok func(Status) bool) Status {
		t.Helper()
		a.write("app.py", fmt.Sprintf(connectedApp, code))
		before, err := h.Status(a.ctx(), 0)
		if err != nil {
			t.Fatal(err)
		}
		stop := a.load(4)
		if err := h.Reload(a.ctx()); err != nil {
			t.Fatal(err)
		}
		old := pids(before)
		st := a.wait(h, func(st Status) bool {
			for pid := range pids(st) {
				if old[pid] {
					return false
				}
			}
			return st.State == StateReady && st.Rollout == 0 && len(st.Workers) == 4 && ok(st)
		})
		if good, bad := stop(); len(bad) > 0 || good == 0 {
			t.Errorf("%d good, bad: %v", good, bad)
		}
		return st
	}
	reload(connectsPostfork, func(st Status) bool { return len(st.Warnings) == 0 })
	a.mustLogLine("workers are forked from it")
	a.mustBeApart()

	// A rollout to one that would share is carried out as well.
	mustWarn(t, reload(connectsAtImport, func(st Status) bool { return len(st.Warnings) > 0 }), peer)
	a.mustBeApart()
}

// What a thread of the template opens once workers are forked already: those that
// follow would share it.
func TestPreloadThatWouldShareLater(t *testing.T) {
	t.Parallel()
	a, h, connected, peer := startConnected(t, connectsLater)
	st, err := h.Status(a.ctx(), 0)
	if err != nil || len(st.Warnings) > 0 {
		t.Fatalf("%v, warnings %q", err, st.Warnings)
	}
	before := connected.Load()
	if err := os.WriteFile(filepath.Join(a.spec.Path, "later"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the template to connect", func() bool {
		_, err := os.Stat(filepath.Join(a.spec.Path, "connected"))
		return err == nil && connected.Load() > before
	})
	victim := st.Workers[0].PID
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	st = a.wait(h, func(st Status) bool { return st.State == StateReady && len(st.Workers) == 4 && !pids(st)[victim] })
	a.mustBeApart()
	st.Restarts, st.LastError = 0, "" // of our kill
	mustWarn(t, st, peer)
}
