package runner

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// What linux/fs.h calls so.
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

// stallingSpool is a spool on a disk of its own, which answers no write from stall on
// until the function that it returns is called.
func stallingSpool(t *testing.T) (dir string, stall func() (end func())) {
	t.Helper()
	needsRoot(t)
	image := filepath.Join(t.TempDir(), "disk")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 64<<20)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("/usr/sbin/mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dir = spoolFolder(t)
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		t.Skipf("this machine mounts no image of a disk: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	if err := os.Chmod(dir, 0o1777); err != nil {
		t.Fatal(err)
	}
	return dir, func() func() {
		t.Helper()
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.IoctlSetInt(int(f.Fd()), fiFreeze, 0); err != nil {
			t.Fatalf("cannot freeze %s: %v", dir, err)
		}
		end := sync.OnceFunc(func() {
			if err := unix.IoctlSetInt(int(f.Fd()), fiThaw, 0); err != nil {
				t.Errorf("cannot thaw %s: %v", dir, err)
			}
			_ = f.Close()
		})
		t.Cleanup(end)
		return end
	}
}

// A disk under the spool that stalls holds up nobody but workers whose clients do not
// read: others are served, and nothing is lost when it answers again.
func TestSpoolOnADiskThatStalls(t *testing.T) {
	a := newTestApp(t, bulkApp, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max = 4, 4 // two are held
		s.Request.ResponseBuffer, s.Request.Spool = 1<<20, 64<<20
		s.Request.BodyTimeout, s.Request.MinRate = appspec.Duration(5*patience), 0 // however long the rest takes
	})
	dir, stall := stallingSpool(t) // the app lies elsewhere
	h := a.start(StateReady)
	serves := func(when string) {
		t.Helper()
		for range 20 {
			begun := time.Now()
			if got := (way{addr: a.addr}).get(t, "/"); got.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", when, got.Status)
			}
			if d := time.Since(begun); d > patience/2 { // the disk stalls until all of this is done
				t.Errorf("%s: it took %v", when, d)
			}
		}
	}
	const pieces = 80 // 10 MiB
	slow := func() io.Reader {
		c := dial(t, a.addr)
		_ = c.SetDeadline(time.Now().Add(5 * patience)) // much is done while it waits
		c.send("GET /stream?80 HTTP/1.1\r\nHost: h\r\n\r\n")
		return c.response("GET").Body
	}
	readAll := func(body io.Reader, when string) {
		t.Helper()
		if n, err := io.Copy(io.Discard, body); err != nil || n != pieces*131072 {
			t.Errorf("%s: %d bytes, %v", when, n, err)
		}
	}
	// From the first byte on, and with some of a response there already.
	end := stall()
	first := slow()
	serves("the spool cannot be opened")
	end()
	readAll(first, "opened late")
	noSpool(t, h.PID, dir)
	_, resp := a.unread(h, dir, "/stream?80", 1<<20+1)
	second := resp.Body
	end = stall()
	third := slow()
	serves("the spool cannot be written")
	end()
	readAll(second, "begun before")
	readAll(third, "begun meanwhile")
	end = stall()
	serves("afterwards") // the file is given back meanwhile
	end()
	noSpool(t, h.PID, dir)
	if st, err := h.Status(a.ctx(), 0); err != nil || st.Restarts != 0 || st.Requests.Timeouts != 0 {
		t.Errorf("%+v, %v", st, err)
	}
}

// When the disk answers again, workers that waited for it go on, whatever their clients
// have read, and no client is cut off for the wait; by any ingress.
func TestWorkersGoOnWhenTheDiskAnswers(t *testing.T) {
	var dir string
	var stall func() func()
	a, h, ways := everyWay(t, bulkApp, nil, func(s *appspec.Spec) {
		dir, stall = stallingSpool(t)
		s.Workers.Min, s.Workers.Max = 5, 5
		s.Request.ResponseBuffer, s.Request.Spool = 1<<20, 256<<20
		s.Request.BodyTimeout = appspec.Duration(5 * patience)
	})
	const path, size = "/stream?160", 160 * 131072 // 20 MiB, of which the kernel takes some
	end := stall()
	bodies := map[string]io.Reader{}
	for _, w := range ways {
		c := w.dial(t)
		_ = c.SetDeadline(time.Now().Add(5 * patience)) // much is done while it waits
		c.send("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n")
		bodies[w.name] = c.response("GET").Body
	}
	secure := ways[2]
	resp, err := secure.client2(t).Get("https://" + secure.addr + path)
	if err != nil {
		t.Fatal(err)
	}
	bodies["HTTP/2"] = resp.Body
	waitsForDisk(t, h.PID, 1)
	for range 10 {
		for _, w := range ways {
			if got := w.get(t, "/"); got.StatusCode != http.StatusOK {
				t.Errorf("%s: while it stalls: %s", w.name, got.Status)
			}
		}
	}
	end()
	// None of them has read more than its head.
	a.wait(h, func(st Status) bool { return st.Requests.Active == 0 })
	for name, body := range bodies {
		if n, err := io.Copy(io.Discard, body); err != nil || n != size {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
	noSpool(t, h.PID, dir)
	if st, err := h.Status(a.ctx(), 0); err != nil || st.Restarts != 0 || st.Requests.Timeouts != 0 {
		t.Errorf("%+v, %v", st, err)
	}
}
