package runner

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// largeBody is too long to wait for its worker in memory.
const largeBody = 1_500_000

// upload is a request with a large body that is on its way.
type upload struct {
	*client
	sent chan struct{} // closed when all of it is, as far as the client means to
}

// upload begins one, of which left bytes are not sent.
func (w way) upload(t *testing.T, path string, left int) upload {
	t.Helper()
	u := upload{w.dial(t), make(chan struct{})}
	_ = u.SetDeadline(time.Now().Add(5 * patience)) // much is done while it waits
	go func() {
		defer close(u.sent)
		_, _ = fmt.Fprintf(u.Conn, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", path, largeBody, make([]byte, largeBody-left))
	}()
	return u
}

// waitsForDisk waits until threads of a process wait for a disk that stalls.
func waitsForDisk(t *testing.T, pid, threads int) {
	t.Helper()
	eventually(t, "a thread to wait for the disk", func() bool {
		names, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, name := range names {
			b, _ := os.ReadFile(name)
			if _, rest, ok := bytes.Cut(b, []byte(") ")); ok && bytes.HasPrefix(rest, []byte("D")) {
				n++
			}
		}
		return n >= threads
	})
}

// A disk that stalls under the files of request bodies holds up nobody but those who
// send them: others are answered, bodies that are short too, and by any ingress. When
// it answers in time nothing is lost, not even by the death of a worker; who has
// waited for too long is told; and nothing is left of either.
func TestBodiesOnADiskThatStalls(t *testing.T) {
	bodiesInFiles(t)
	var dir string
	var stall func() func()
	a, h, ways := everyWay(t, bulkApp, map[string]string{"limits.content_length": "2000000"}, func(s *appspec.Spec) {
		dir, stall = stallingSpool(t)
		s.Request.BodyTimeout = appspec.Duration(2 * patience)
	})
	serves := func(when string) {
		t.Helper()
		for _, w := range ways {
			for range 5 {
				begun := time.Now()
				if got := w.get(t, "/"); got.StatusCode != http.StatusOK {
					t.Errorf("%s: %s: %s", w.name, when, got.Status)
				}
				if got := w.post(t, "/size", make([]byte, 100_000)); got.body != "100000" {
					t.Errorf("%s: %s: a short body: %s %q", w.name, when, got.Status, got.body)
				}
				if d := time.Since(begun); d > patience/2 { // the disk stalls until all of this is done
					t.Errorf("%s: %s: it took %v", w.name, when, d)
				}
			}
		}
	}
	serves("before")
	idle := openFiles(t, h.PID)

	end := stall()
	var waiting []upload
	for _, w := range ways {
		waiting = append(waiting, w.upload(t, "/size", 0), w.upload(t, "/size", 0))
	}
	waitsForDisk(t, h.PID, 2)
	serves("bodies wait")
	worker := a.workerPID(t, h)
	if err := unix.Kill(worker, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another worker", func() bool { return a.workerPID(t, h) != worker })
	serves("a worker has died")
	gone := ways[0].upload(t, "/gone", 300_000)
	sent := ways[0].upload(t, "/gone/too", 0)
	_ = gone.Close()
	_ = sent.Close()
	end()
	for i, c := range waiting {
		if got := c.answer("POST"); got.StatusCode != http.StatusOK || got.body != fmt.Sprint(largeBody) {
			t.Errorf("%s: when the disk answers again: %s %q %v", ways[i/2].name, got.Status, got.body, got.err)
		}
		_ = c.Close()
	}
	noSpool(t, h.PID, dir)

	// Now it stalls for longer than it may.
	a.spec.Request.BodyTimeout = appspec.Duration(2 * time.Second)
	if err := h.Update(a.ctx(), a.spec, 2, false); err != nil {
		t.Fatal(err)
	}
	end = stall()
	for _, w := range ways {
		path := "/late/" + w.name
		got := w.upload(t, path, 0).answer("POST")
		for got.StatusCode == http.StatusRequestTimeout { // this machine held the client up
			got = w.upload(t, path, 0).answer("POST")
		}
		if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
			t.Errorf("%s: the disk does not answer: %s, %v", w.name, got.Status, got.Header)
		}
		if w.tls == nil {
			a.mustLogLine("POST "+path, "503", "the disk of the folder for temporary files does not answer within 2s (request.body_timeout)")
		}
	}
	a.spec.Request.BodyTimeout = appspec.Duration(2 * patience) // what comes now takes as long as it takes
	if err := h.Update(a.ctx(), a.spec, 3, false); err != nil {
		t.Fatal(err)
	}
	serves("bodies have waited in vain")
	end()
	noSpool(t, h.PID, dir)
	for _, w := range ways {
		if got := w.post(t, "/size", make([]byte, largeBody)); got.body != fmt.Sprint(largeBody) {
			t.Errorf("%s: afterwards: %s %q", w.name, got.Status, got.body)
		}
	}
	noSpool(t, h.PID, dir)
	eventually(t, "all descriptors to be given back", func() bool { return openFiles(t, h.PID) <= idle })
	if st, err := h.Status(a.ctx(), 0); err != nil || st.Requests.Active != 0 || st.Requests.Timeouts != 0 {
		t.Errorf("%+v, %v", st, err)
	}
}

// A client that has gone before all of its body was sent is not waited for until the
// disk answers.
func TestClientGoesWhileItsBodyWaits(t *testing.T) {
	bodiesInFiles(t)
	a := newTestApp(t, bulkApp, func(s *appspec.Spec) { s.Request.BodyTimeout = appspec.Duration(2 * patience) })
	dir, stall := stallingSpool(t)
	h := a.start(StateReady)
	end := stall()
	// What the master takes and a few bytes more: behind a window that is closed its end
	// would not be told.
	c := way{addr: a.addr}.upload(t, "/gone", largeBody-270_000)
	<-c.sent
	waitsForDisk(t, h.PID, 1)
	_ = c.Close()
	a.mustLogLine("POST /gone", "the client went away in the middle of its request")
	end()
	noSpool(t, h.PID, dir)
	if strings.Contains(a.logText(), "ERROR") {
		t.Errorf("the log has errors:\n%s", a.logText())
	}
}

// A master that is replaced while bodies wait for the disk answers them when it
// answers; until then the next one serves.
func TestMasterIsReplacedWhileBodiesWait(t *testing.T) {
	bodiesInFiles(t)
	a := newTestApp(t, bulkApp, func(s *appspec.Spec) { s.Request.BodyTimeout = appspec.Duration(2 * patience) })
	dir, stall := stallingSpool(t)
	h := a.start(StateReady)
	w := way{addr: a.addr}
	end := stall()
	var waiting []upload
	for range 3 {
		waiting = append(waiting, w.upload(t, "/size", 0))
	}
	half := w.upload(t, "/size", 300_000)
	waitsForDisk(t, h.PID, 2)
	files := a.listeners(h)
	a.standby = true
	next := a.startWith(StateReady, files, 2)
	if err := h.Drain(a.ctx(), next); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if got := w.get(t, "/"); got.StatusCode != http.StatusOK {
			t.Errorf("the next master: %s", got.Status)
		}
	}
	if !h.Alive() {
		t.Fatal("the old master is gone, with the bodies that wait")
	}
	end()
	<-half.sent
	if _, err := half.Write(make([]byte, 300_000)); err != nil {
		t.Error(err)
	}
	for _, c := range append(waiting, half) {
		if got := c.answer("POST"); got.StatusCode != http.StatusOK || got.body != fmt.Sprint(largeBody) {
			t.Errorf("%s %q %v", got.Status, got.body, got.err)
		}
	}
	if err := h.Wait(a.ctx()); err != nil {
		t.Error(err)
	}
	for _, f := range files {
		_ = f.Close()
	}
	noSpool(t, next.PID, dir)
}
