package runner

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// bulkApp moves a lot.
const bulkApp = `
import os
def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    if path == "/file":
        return environ["wsgi.file_wrapper"](open(query, "rb"))
    if path == "/stream":
        return (b"s" * 131072 for i in range(int(query)))
    if path == "/count":
        return (b"%08d" % i * 16384 for i in range(int(query)))
    if path == "/size":
        n = 0
        while True:
            b = environ["wsgi.input"].read(1 << 20)
            if not b:
                break
            n += len(b)
        return [b"%d" % n]
    return [b"%d" % os.getpid()]
`

// spoolFolder makes masters keep their temporary files in a folder of their own,
// from here on.
func spoolFolder(t *testing.T) string {
	t.Helper()
	dir := shortdir.New(t)
	t.Setenv("TMPDIR", dir)
	return dir
}

// peak starts to measure: it returns how far the process's memory has grown
// since then at its highest, in bytes.
func peak(t *testing.T, pid int) func() int64 {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	read := func(field string) int64 {
		n, err := strconv.ParseInt(strings.TrimSuffix(procStatus(t, pid)[field], " kB"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n << 10
	}
	before := read("VmRSS")
	return func() int64 { return read("VmHWM") - before }
}

const gigabyte = 1 << 30

// The bar of the project: what a master moves is not in its memory.
const memoryBar = 8 << 20

func TestGigabyteUpload(t *testing.T) {
	a := newTestApp(t, bulkApp, func(s *appspec.Spec) { s.Request.MaxBody = 2 * gigabyte })
	dir := spoolFolder(t)
	h := a.start(StateReady)
	w := way{addr: a.addr}
	w.get(t, "/") // what a first request needs is not counted
	for _, chunked := range []bool{false, true} {
		size := gigabyte
		if chunked {
			size = 200 << 20
		}
		grown := peak(t, h.PID)
		c := dial(t, a.addr)
		_ = c.SetDeadline(time.Now().Add(5 * time.Minute))
		piece := make([]byte, 1<<20)
		if chunked {
			c.send("POST /size HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
		} else {
			c.send(fmt.Sprintf("POST /size HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", size))
		}
		for sent := 0; sent < size; sent += len(piece) {
			if chunked {
				c.send(fmt.Sprintf("%x\r\n", len(piece)))
			}
			if _, err := c.Write(piece); err != nil {
				t.Fatal(err)
			}
			if chunked {
				c.send("\r\n")
			}
			if sent == size/2 {
				// A slow upload holds no worker, and its file has no name.
				if got := w.get(t, "/"); got.StatusCode != http.StatusOK {
					t.Errorf("in the middle of the upload: %s", got.Status)
				}
				if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
					t.Errorf("files with names: %v, %v", left, err)
				}
			}
		}
		if chunked {
			c.send("0\r\n\r\n")
		}
		if got := c.answer("POST"); got.body != strconv.Itoa(size) {
			t.Errorf("chunked %v: %s %q", chunked, got.Status, got.body)
		}
		if g := grown(); g > memoryBar {
			t.Errorf("chunked %v: the master grew by %d MiB", chunked, g>>20)
		}
	}
	noSpool(t, h.PID, dir)
}

func TestGigabyteDownload(t *testing.T) {
	a := newTestApp(t, bulkApp, nil)
	h := a.start(StateReady)
	name := filepath.Join(a.spec.Path, "sparse")
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, gigabyte); err != nil {
		t.Fatal(err)
	}
	w := way{addr: a.addr}
	w.get(t, "/")
	grown := peak(t, h.PID)
	c := dial(t, a.addr)
	_ = c.SetDeadline(time.Now().Add(5 * time.Minute))
	c.send("GET /file?" + name + " HTTP/1.1\r\nHost: h\r\n\r\n")
	resp := c.response("GET")
	if resp.ContentLength != gigabyte {
		t.Errorf("length %d", resp.ContentLength)
	}
	if n, err := io.CopyN(io.Discard, resp.Body, gigabyte/2); err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	// Neither the worker nor the loop is held by it.
	if got := w.get(t, "/"); got.StatusCode != http.StatusOK {
		t.Errorf("in the middle of the download: %s", got.Status)
	}
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != gigabyte/2 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if g := grown(); g > memoryBar {
		t.Errorf("the master grew by %d MiB", g>>20)
	}
}

// spoolSize is how many bytes of files without a name in a folder a process
// holds.
func spoolSize(t *testing.T, pid int, dir string) int64 {
	t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, e := range fds {
		link := fmt.Sprintf("/proc/%d/fd/%s", pid, e.Name())
		target, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(target, dir+"/") {
			continue
		}
		if st, err := os.Stat(link); err == nil {
			total += st.Size()
		}
	}
	return total
}

// unread asks for a long response and reads none of its body until enough of it is in
// the spool. A disk that is busy for a moment takes no more of it, as its worker waits
// for the client from then on: then another one is asked for.
func (a *testApp) unread(h *Handle, dir, target string, enough int64) (*client, *http.Response) {
	a.t.Helper()
	for end := time.Now().Add(2 * patience); ; {
		c := dial(a.t, a.addr)
		_ = c.SetDeadline(time.Now().Add(5 * patience)) // much is done while it waits
		c.send("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n")
		resp := c.response("GET")
		for last, since := int64(-1), time.Now(); time.Since(since) < 5*time.Second; <-time.After(3 * time.Millisecond) {
			n := spoolSize(a.t, h.PID, dir)
			if n >= enough {
				return c, resp
			}
			if n != last {
				last, since = n, time.Now()
			}
		}
		if time.Now().After(end) {
			a.t.Fatalf("%d bytes of %s never come into the spool", enough, target)
		}
		_ = c.Close()
		noSpool(a.t, h.PID, dir)
		a.active(h, 0)
	}
}

// noSpool waits until a process has no file left in a folder.
func noSpool(t *testing.T, pid int, dir string) {
	t.Helper()
	eventually(t, "the temporary files to go", func() bool { return spoolSize(t, pid, dir) == 0 })
}

// A client that does not read makes a file grow, then the worker wait: neither
// memory nor disk is filled without bound. The time of waiting is not the
// application's.
func TestSlowClientOfALongStream(t *testing.T) {
	const most = 32 << 20
	a := newTestApp(t, bulkApp, func(s *appspec.Spec) {
		s.Workers.RequestTimeout = appspec.Duration(3 * time.Second)
		s.Request.Spool = most
		s.Request.BodyTimeout, s.Request.MinRate = appspec.Duration(5*patience), 0 // however long this takes
	})
	dir := spoolFolder(t)
	h := a.start(StateReady)
	way{addr: a.addr}.get(t, "/")
	grown := peak(t, h.PID)
	const pieces = 800 // 100 MiB
	_, resp := a.unread(h, dir, fmt.Sprintf("/stream?%d", pieces), most)
	var st Status
	eventually(t, "the time limit to pass", func() bool {
		var err error
		if st, err = h.Status(a.ctx(), 0); err != nil {
			t.Fatal(err)
		}
		return time.Since(st.Workers[0].Since) > 4*time.Second
	})
	if n := spoolSize(t, h.PID, dir); n > most {
		t.Errorf("the file has %d MiB", n>>20)
	}
	if st.Requests.Active != 1 || st.Restarts != 0 || st.Requests.Timeouts != 0 {
		t.Errorf("status %+v", st)
	}
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != pieces*131072 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if g := grown(); g > memoryBar {
		t.Errorf("the master grew by %d MiB", g>>20)
	}
	noSpool(t, h.PID, dir)
	if got := (way{addr: a.addr}).get(t, "/"); got.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %s", got.Status)
	}
}

// The client of a paused worker goes away: the worker is free.
func TestSlowClientGoes(t *testing.T) {
	const most = 32 << 20
	a := newTestApp(t, bulkApp, func(s *appspec.Spec) { s.Request.Spool = most })
	dir := spoolFolder(t)
	h := a.start(StateReady)
	c, _ := a.unread(h, dir, "/stream?10000000", most)
	_ = c.Close()
	if got := (way{addr: a.addr}).get(t, "/"); got.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %s", got.Status)
	}
	noSpool(t, h.PID, dir)
}

// A full disk, and a folder that takes no file: an honest answer, a line of the
// log, and everything else goes on.
func TestNoRoomForBodies(t *testing.T) {
	bodiesInFiles(t)
	for _, c := range []struct {
		name   string
		status int
		why    string
		spoil  func(t *testing.T, dir string)
	}{
		{"full", 507, "no space left on device", func(t *testing.T, dir string) {
			if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=1777"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
		}},
		{"gone", 500, "cannot make a temporary file in", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.spoil != nil && os.Geteuid() != 0 {
				t.Skip("needs root, to mount a small file system")
			}
			var dir string
			a, h, ways := everyWay(t, bulkApp, map[string]string{"limits.content_length": "2000000"}, func(s *appspec.Spec) {
				s.Debug = true // the answers tell why
				dir = spoolFolder(t)
				if c.spoil != nil {
					c.spoil(t, dir)
				}
			})
			if c.spoil == nil {
				if err := os.Remove(dir); err != nil {
					t.Fatal(err)
				}
			}
			for _, w := range ways {
				for _, chunked := range []bool{false, true} {
					if chunked && w.name == "mongrel2" {
						continue // an upload there, kept by mongrel2
					}
					body := make([]byte, 1<<20)
					path := fmt.Sprintf("/size/%s/%v", w.name, chunked)
					var got answer
					if chunked {
						got = w.postChunked(t, path, body, 10_000)
					} else {
						got = w.post(t, path, body)
					}
					if got.StatusCode != c.status || !strings.Contains(got.body, "the server cannot store the request") {
						t.Errorf("%s: %s %q", path, got.Status, got.body)
					}
					a.mustLogLine("POST "+path, strconv.Itoa(c.status), c.why)
				}
				if got := w.get(t, "/"); got.StatusCode != http.StatusOK {
					t.Errorf("%s, afterwards: %s", w.name, got.Status)
				}
			}
			// A response that a slow client leaves behind: its worker waits, nothing is
			// lost.
			cl := dial(t, a.addr)
			cl.send("GET /stream?1000 HTTP/1.1\r\nHost: h\r\n\r\n")
			resp := cl.response("GET")
			a.mustLogLine("ERROR", "responses for slow clients are buffered in memory only", c.why)
			if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != 1000*131072 {
				t.Errorf("the slow client got %d bytes, %v", n, err)
			}
			if got := ways[0].get(t, "/"); got.StatusCode != http.StatusOK {
				t.Errorf("after the slow client: %s", got.Status)
			}
			if st, err := h.Status(a.ctx(), 0); err != nil || st.Restarts != 0 || st.PID != h.PID {
				t.Errorf("%+v, %v", st, err)
			}
		})
	}
}
