package static

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// TestSiteUnderChange asks from many goroutines while files are replaced and removed
// and the Site follows another one: each answer is one of the contents, whole.
func TestSiteUnderChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, content string) {
		tmp := filepath.Join(dir, ".tmp-"+name)
		if err := os.WriteFile(tmp, []byte(content), 0o644); err != nil {
			t.Error(err)
		}
		if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	contents := map[string]bool{}
	for i := range 10 {
		contents[strings.Repeat(string(rune('a'+i)), 1000+i)] = true
	}
	put("x.css", strings.Repeat("a", 1000))
	crew := &Crew{}
	make1 := func(before *Site) *Site {
		return New(Options{Blocks: []Block{{URL: "/static/", Dir: dir}}, Folder: -1, Crew: crew, Release: fmt.Sprint(time.Now().UnixNano())}, before)
	}
	var mu sync.Mutex
	site := make1(nil)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var answered atomic.Int32
	var missing [4]int
	for i := range missing {
		wg.Go(func() {
			r := &wsgi.Request{Method: []byte("GET"), Path: []byte("/static/x.css")}
			for {
				select {
				case <-stop:
					return
				default:
				}
				mu.Lock()
				s := site
				mu.Unlock()
				var q Query
				s.Match(r, &q)
				f, state := s.Try(&q)
				if state == Unknown {
					looked := make(chan Found)
					s.Look(&q, func(f Found) { looked <- f })
					f = <-looked
				}
				if !f.Is() {
					missing[i]++ // that of a Site which was retired, or between two names
					continue
				}
				size := f.File.Size
				to := &sink{}
				NewAnswer(&q, f).Send(to, new([]byte), true)
				if body := to.body.String(); !contents[body] || int64(len(body)) != size {
					t.Errorf("%d bytes, Content-Length %d: %.20q", len(body), size, body)
					return
				}
				answered.Add(1)
			}
		})
	}
	begun := time.Now()
	for time.Since(begun) < 500*time.Millisecond || answered.Load() == 0 && time.Since(begun) < time.Minute {
		for content := range contents {
			put("x.css", content)
		}
		mu.Lock()
		old := site
		site = make1(old)
		old.Retire(site)
		mu.Unlock()
	}
	close(stop)
	wg.Wait()
	if answered.Load() == 0 {
		t.Errorf("no answer; missing %v", missing)
	}
	site.Retire(nil)
	if n := openBelowDir(t, dir); n > 0 {
		t.Errorf("%d descriptors of the folder are left open", n)
	}
}

// openBelowDir counts our descriptors of a folder and of what is in it.
func openBelowDir(t *testing.T, dir string) (n int) {
	t.Helper()
	await.Until(await.Patience, 10*time.Millisecond, func() bool {
		n = 0
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(name, dir) {
				n++
			}
		}
		return n == 0
	})
	return n
}

// TestTryWaitsForNothing: what was not looked at by the crew, or a while ago, is for
// the crew; then Try has it.
func TestTryWaitsForNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.css"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := &root{open: func() (int, error) { return openFolder(-1, dir) }}
	defer r.close()
	now := time.Now()
	if _, s := r.try("a.css", Wanted{Plain: 1}, now); s != Unknown {
		t.Errorf("before any look: %v", s)
	}
	f, err := r.look("a.css", Wanted{Plain: 1}, 0, now)
	if err != nil || !f.Is() {
		t.Fatalf("look: %v", err)
	}
	f.Close()
	local, _ := fsKindOf(t, dir)
	if !local {
		t.Skip("the temporary folder is on a file system that is not local")
	}
	f, s := r.try("a.css", Wanted{Plain: 1}, now)
	if s != Ready {
		t.Fatalf("after a look: %v", s)
	}
	f.Close()
	if _, s := r.try("none.css", Wanted{Plain: 1}, now); s == Ready {
		t.Errorf("what is not there: %v", s)
	}
	if _, s := r.try("a.css", Wanted{Plain: 1}, now.Add(valid)); s != Unknown {
		t.Errorf("a while later: %v", s)
	}
	// What has another name is another file until the crew has said it may be read.
	if err := os.WriteFile(filepath.Join(dir, "b.css"), []byte("y"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, s := r.try("b.css", Wanted{Plain: 1}, now); s != Unknown {
		t.Errorf("a file that nobody has looked at: %v", s)
	}
	if err := os.Rename(filepath.Join(dir, "b.css"), filepath.Join(dir, "a.css")); err != nil {
		t.Fatal(err)
	}
	if _, s := r.try("a.css", Wanted{Plain: 1}, now); s != Unknown {
		t.Errorf("a file that took its place: %v", s)
	}
}

func fsKindOf(t *testing.T, dir string) (local, memory bool) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return fsKind(int(f.Fd()))
}

// TestWarm: what is not in memory is not said to be, and is after Warm.
func TestWarm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 4 << 20
	if _, err := io.WriteString(f, strings.Repeat("0123456789abcdef", size/16)); err != nil {
		t.Fatal(err)
	}
	if n := Resident(int(f.Fd()), 0, size); n != size && n != 0 {
		t.Errorf("just written: %d of %d", n, size)
	}
	if _, memory := fsKind(int(f.Fd())); !memory && f.Sync() == nil && unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) == nil {
		if n := Resident(int(f.Fd()), 0, size); n > 0 {
			t.Logf("%d bytes stayed in memory", n)
		}
		Warm(int(f.Fd()), 0, size)
		if n := Resident(int(f.Fd()), 0, size); n != size && n != 0 {
			t.Errorf("after Warm: %d of %d", n, size)
		}
	}
	Warm(int(f.Fd()), size-10, 100) // past the end
	if n := Resident(int(f.Fd()), size-10, 100); n != 100 && n != 0 {
		t.Errorf("past the end: %d", n)
	}
}
