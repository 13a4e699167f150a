package certs

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// said is a log that is read while it is written.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *said) count(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.b.String(), text)
}

// A name that no spec has any more is given up, and that is said once: at once where
// nothing is done for it, and when it is done where something is.
func TestNameThatIsGone(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var log said
		// Nothing of it is due: what would be asked is not there.
		k := &Keeper{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil)), Issued: func(Site) {}, Changed: func(Site) {}}
		defer k.Close()
		if err := makeFolders(dir); err != nil {
			t.Fatal(err)
		}
		const directory = "https://ca.test/dir"
		site := func(host string) Site {
			r := record{Directory: directory, RetryAt: time.Now().Add(100 * time.Hour)}
			if err := r.write(dir, host); err != nil {
				t.Fatal(err)
			}
			return Site{Host: host, App: "blog", Authority: Authority{Directory: directory}}
		}
		a, b := site("a.test"), site("b.test")
		kept := func() (out []string) {
			synctest.Wait()
			k.mu.Lock()
			defer k.mu.Unlock()
			for host := range k.sites {
				out = append(out, host)
			}
			slices.Sort(out)
			return out
		}
		const line = "no longer renewed: no app has the name"
		k.Want([]Site{a, b})
		if got := kept(); !slices.Equal(got, []string{"a.test", "b.test"}) {
			t.Errorf("%v", got)
		}
		k.Want([]Site{a})
		if got := kept(); !slices.Equal(got, []string{"a.test"}) || !slices.Equal(k.Hosts(), got) {
			t.Errorf("%v, %v", got, k.Hosts())
		}
		if n := log.count(line); n != 1 || log.count("host=b.test") != 1 {
			t.Errorf("it is said %d times", n)
		}
		k.mu.Lock()
		k.sites["a.test"].busy = true // an order is under way
		k.mu.Unlock()
		k.Want(nil)
		k.Want(nil)
		if got := kept(); !slices.Equal(got, []string{"a.test"}) || len(k.Hosts()) != 0 {
			t.Errorf("while it is at work: %v, %v", got, k.Hosts())
		}
		k.mu.Lock()
		k.sites["a.test"].busy = false
		k.mu.Unlock()
		k.look()
		if got := kept(); len(got) != 0 || log.count(line) != 2 {
			t.Errorf("%v; it is said %d times", got, log.count(line))
		}
		// It comes back.
		k.Want([]Site{b})
		if got := kept(); !slices.Equal(got, []string{"b.test"}) {
			t.Errorf("%v", got)
		}
	})
}
