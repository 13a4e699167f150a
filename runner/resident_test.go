package runner

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// counted is what /count of bulkApp answers.
func counted(pieces int) []byte {
	var b bytes.Buffer
	for i := range pieces {
		b.WriteString(strings.Repeat(fmt.Sprintf("%08d", i), 16384))
	}
	return b.Bytes()
}

// evict has the kernel forget what it has of a file in memory.
func evict(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
}

// What an app sends from a file, and what its client was too slow for, comes whole
// where it must be read from the disk again, and others are answered meanwhile.
func TestColdFiles(t *testing.T) {
	a := newTestApp(t, bulkApp, func(s *appspec.Spec) {
		s.Request.ResponseBuffer = 1 << 20
		s.Request.MinRate = 0
	})
	dir := spoolFolder(t)
	h := a.start(StateReady)
	serves := func(when string) {
		t.Helper()
		if got := (way{addr: a.addr}).get(t, "/"); got.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", when, got.Status)
		}
	}
	compare := func(what string, body io.Reader, want []byte) {
		t.Helper()
		if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes of %d, or others, %v", what, len(got), len(want), err)
		}
	}

	const pieces = 96 // 12 MiB
	want := counted(pieces)
	name := filepath.Join(a.spec.Path, "big")
	if err := os.WriteFile(name, want, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		evict(t, name)
		c := dial(t, a.addr)
		c.send("GET /file?" + name + " HTTP/1.1\r\nHost: h\r\n\r\n")
		resp := c.response("GET")
		serves("while a file is sent")
		compare("a file", resp.Body, want)
		// The connection has its next request.
		c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if got := c.answer("GET"); got.StatusCode != http.StatusOK {
			t.Errorf("behind a file: %s", got.Status)
		}
	}

	_, resp := a.unread(h, dir, fmt.Sprintf("/count?%d", pieces), 4<<20)
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", h.PID))
	if err != nil {
		t.Fatal(err)
	}
	evicted := 0
	for _, fd := range fds {
		if to, _ := os.Readlink(fd); strings.HasPrefix(to, dir+"/") {
			evict(t, fd)
			evicted++
		}
	}
	if evicted == 0 {
		t.Error("there is no spool")
	}
	serves("while a client is slow")
	compare("what a client was too slow for", resp.Body, want)
	noSpool(t, h.PID, dir)
}
