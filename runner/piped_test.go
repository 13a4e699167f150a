package runner

import (
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/boot"
)

// bodiesInFiles has the bodies of requests, from here on, wait in files and not in pipes.
func bodiesInFiles(t *testing.T) {
	t.Helper()
	t.Setenv(boot.PipesSwitch, "off")
}

// digestApp tells the digest of what it reads, in each way to read.
const digestApp = `
import hashlib, os, time
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    body, path, h = environ["wsgi.input"], environ["PATH_INFO"], hashlib.sha256()
    if path == "/sleep":
        open(environ["QUERY_STRING"], "w").close()
        time.sleep(1000)
    elif path == "/all":
        h.update(body.read())
    elif path == "/exact":
        h.update(body.read(int(environ["CONTENT_LENGTH"])))
    elif path == "/lines":
        for line in body:
            h.update(line)
    elif path == "/pieces":
        for piece in iter(lambda: body.read(70001), b""):
            h.update(piece)
    elif path == "/some":
        body.read(100000)
        return [b"some"]
    elif path == "/dies":
        with open(environ["QUERY_STRING"], "a") as f:
            print(len(body.read(1500000)), file=f)
        os.kill(os.getpid(), 9)
    else:
        return [b"none"]
    return [h.hexdigest().encode()]
`

// patterned is bytes of which no two parts are alike, with lines in them.
func patterned(n int) []byte {
	b := make([]byte, 0, n+8)
	for i := uint32(1); len(b) < n; i = i*1664525 + 1013904223 {
		b = append(b, byte(i>>24), byte(i>>16), byte(i>>8))
	}
	return b[:n]
}

func digest(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// pipesOf counts the descriptors of a process that are pipes.
func pipesOf(t *testing.T, pid int) (n int) {
	t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name())); err == nil && strings.HasPrefix(target, "pipe:") {
			n++
		}
	}
	return n
}

// idleClient has a connection that the master has taken, and that waits.
func (a *testApp) idleClient() {
	a.t.Helper()
	c := a.dial()
	c.send("GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n")
	if got := c.answer("GET"); got.StatusCode != http.StatusOK {
		a.t.Fatal(got.Status)
	}
}

// Bodies that wait in pipes are the same to applications as those that wait in files,
// however much is read of them and in which way; so are the requests behind them on their
// connections, and nothing is left of them.
func TestBodiesInPipes(t *testing.T) {
	for _, pipes := range []string{"on", "off"} {
		t.Run(pipes, func(t *testing.T) {
			t.Setenv(boot.PipesSwitch, pipes)
			a := newTestApp(t, digestApp, nil)
			dir := spoolFolder(t)
			h := a.start(StateReady)
			a.idleClient()
			idle, before := openFiles(t, h.PID), pipesOf(t, h.PID)
			c := a.dial()
			for _, size := range []int{65_537, 1 << 20, 5_000_000, 16 << 20, 16<<20 + 1} {
				body := patterned(size)
				for _, path := range []string{"/all", "/exact", "/lines", "/pieces", "/some", "/nothing"} {
					want := map[string]string{"/some": "some", "/nothing": "none"}[path]
					if want == "" {
						want = digest(body)
					}
					_ = c.SetDeadline(time.Now().Add(patience)) // for each, not for all of them
					// The next one comes right behind it.
					c.send(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%sGET /after HTTP/1.1\r\nHost: h\r\n\r\n", path, size, body))
					if got := c.answer("POST"); got.StatusCode != http.StatusOK || got.body != want {
						t.Fatalf("%s of %d bytes: %s %q, want %q", path, size, got.Status, got.body, want)
					}
					if got := c.answer("GET"); got.body != "none" {
						t.Fatalf("behind %s of %d bytes: %s %q", path, size, got.Status, got.body)
					}
				}
			}
			// Half of one waits in pipes, or in a file, until it goes.
			const size = 2_000_000
			c.send(fmt.Sprintf("POST /all HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", size, make([]byte, size/2)))
			if pipes == "on" {
				eventually(t, "a body in pipes", func() bool { return pipesOf(t, h.PID) > before })
				if n := spoolSize(t, h.PID, dir); n > 0 {
					t.Errorf("%d bytes are in a file", n)
				}
			} else {
				eventually(t, "a body in a file", func() bool { return spoolSize(t, h.PID, dir) > 0 })
				if n := pipesOf(t, h.PID); n > before {
					t.Errorf("%d pipes, %d before", n, before)
				}
			}
			_ = c.Close()
			a.mustLogLine("POST /all", "the client went away in the middle of its request")
			eventually(t, "its descriptors to be given back", func() bool { return openFiles(t, h.PID) <= idle && pipesOf(t, h.PID) == before })
		})
	}
}

// What comes in many small packets is not kept in pipes: it would hold memory for each of
// them. It goes on in a file, in the right order.
func TestBodyInSmallPackets(t *testing.T) {
	a := newTestApp(t, digestApp, func(s *appspec.Spec) { s.Request.ResponseBuffer = 8 << 20 })
	dir := spoolFolder(t)
	h := a.start(StateReady)
	before := pipesOf(t, h.PID)
	body := patterned(900_000)
	for round := range 2 {
		c := a.dial()
		c.send(fmt.Sprintf("POST /all HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", len(body)))
		conn, ok := c.Conn.(*net.TCPConn)
		if !ok {
			t.Fatalf("%T", c.Conn)
		}
		_ = conn.SetNoDelay(true)
		_ = conn.SetDeadline(time.Now().Add(5 * patience)) // for all the packets
		// As many as a pipe holds, and one at a time.
		half := 700_000
		for at := 0; at < half; at += 500 {
			c.send(string(body[at : at+500]))
			fd := 0
			raw, err := conn.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "a packet to be taken", func() bool {
				waits := 1
				_ = raw.Control(func(s uintptr) { fd = int(s); waits, err = unix.IoctlGetInt(fd, unix.SIOCOUTQ) })
				return err != nil || waits == 0
			})
		}
		eventually(t, "a body in a file", func() bool { return pipesOf(t, h.PID) == before })
		c.send(string(body[half:]) + "GET /after HTTP/1.1\r\nHost: h\r\n\r\n")
		if got := c.answer("POST"); got.body != digest(body) {
			t.Errorf("round %d: %s %q", round, got.Status, got.body)
		}
		if got := c.answer("GET"); got.body != "none" {
			t.Errorf("behind it: %s %q", got.Status, got.body)
		}
		_ = c.Close()
	}
	noSpool(t, h.PID, dir)
}

// Without room for pipes, in budget or descriptors, bodies wait in files, and what was in
// pipes already goes there.
func TestNoRoomForPipes(t *testing.T) {
	a := newTestApp(t, digestApp, func(s *appspec.Spec) { s.Request.ResponseBuffer = 3 << 20 })
	dir := spoolFolder(t)
	h := a.start(StateReady)
	before := pipesOf(t, h.PID)
	body := patterned(3_000_000) // two thirds of the budget are less
	c := a.dial()
	c.send(fmt.Sprintf("POST /all HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:1_000_000]))
	eventually(t, "a body in pipes", func() bool { return pipesOf(t, h.PID) > before })
	c.send(string(body[1_000_000:2_500_000]))
	eventually(t, "it to go to a file", func() bool { return pipesOf(t, h.PID) == before && spoolSize(t, h.PID, dir) > 0 })
	c.send(string(body[2_500_000:]))
	if got := c.answer("POST"); got.body != digest(body) {
		t.Errorf("%s %q", got.Status, got.body)
	}
	noSpool(t, h.PID, dir)

	var clients []*client
	for range 6 { // together they have more than there is
		c := a.dial()
		c.send(fmt.Sprintf("POST /pieces HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:2_000_000]))
		clients = append(clients, c)
	}
	for i, c := range clients {
		c.send(string(body[2_000_000:]))
		if got := c.answer("POST"); got.body != digest(body) {
			t.Errorf("client %d: %s %q", i, got.Status, got.body)
		}
	}
	noSpool(t, h.PID, dir)
	eventually(t, "all pipes to be closed", func() bool { return pipesOf(t, h.PID) == before })
}

// A body that waits in pipes for a worker that dies goes to the next one, whole.
func TestBodyInPipesOutlivesAWorker(t *testing.T) {
	a := newTestApp(t, digestApp, nil)
	h := a.start(StateReady)
	begun := a.spec.Path + "/logs/begun"
	busy := a.dial()
	busy.send("GET /sleep?" + begun + " HTTP/1.1\r\nHost: h\r\n\r\n")
	eventually(t, "the worker to be busy", func() bool { _, err := os.Stat(begun); return err == nil })
	before := pipesOf(t, h.PID)
	body := patterned(3_000_000)
	c := a.dial()
	c.send(fmt.Sprintf("POST /all HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	eventually(t, "a body in pipes", func() bool { return pipesOf(t, h.PID) > before })
	st, err := h.Status(a.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(st.Workers[0].PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := c.answer("POST"); got.StatusCode != http.StatusOK || got.body != digest(body) {
		t.Errorf("%s %q", got.Status, got.body)
	}
}

// What a worker has read of pipes before it died nobody can read again: the request is
// answered, and given to no other worker.
func TestBodyInPipesHalfRead(t *testing.T) {
	a := newTestApp(t, digestApp, nil)
	h := a.start(StateReady)
	a.idleClient()
	idle, before := openFiles(t, h.PID), pipesOf(t, h.PID)
	reads := a.spec.Path + "/logs/reads"
	body := patterned(3_000_000)
	c := a.dial()
	c.send(fmt.Sprintf("POST /dies?%s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", reads, len(body), body))
	if got := c.answer("POST"); got.StatusCode != http.StatusBadGateway {
		t.Errorf("%s %q", got.Status, got.body)
	}
	c.send(fmt.Sprintf("POST /all HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	if got := c.answer("POST"); got.StatusCode != http.StatusOK || got.body != digest(body) {
		t.Errorf("the next one: %s %q", got.Status, got.body)
	}
	if b, err := os.ReadFile(reads); err != nil || string(b) != "1500000\n" {
		t.Errorf("the app has read %q, %v", b, err)
	}
	_ = c.Close()
	eventually(t, "its descriptors to be given back", func() bool { return openFiles(t, h.PID) <= idle && pipesOf(t, h.PID) == before })
}
