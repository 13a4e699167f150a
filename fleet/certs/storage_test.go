package certs

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// A lock ends with the process that has it. What a crash, a disk or a clock has left of one
// is in nobody's way: no certificate would be obtained until somebody removes it by hand.
func TestLocksOfTheDead(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "acme")
	locks := filepath.Join(dir, "locks")
	if err := os.MkdirAll(locks, 0o700); err != nil {
		t.Fatal(err)
	}
	next := time.Now().AddDate(1, 0, 0).Format(time.RFC3339)
	for name, left := range map[string]string{
		"empty": "", "half": `{"created":"2026-11-3`, "zeros": "\x00\x00\x00\x00\x00\x00\x00\x00",
		"fresh": `{"created":"` + time.Now().Format(time.RFC3339) + `"}`, "future": `{"created":"` + next + `","updated":"` + next + `"}`,
	} {
		if err := os.WriteFile(filepath.Join(locks, certmagic.StorageKeys.Safe(name)+".lock"), []byte(left), 0o600); err != nil {
			t.Fatal(err)
		}
		s, other := newAuthorities(filepath.Dir(dir), nil).store, newAuthorities(filepath.Dir(dir), nil).store
		for range 2 { // and once more
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if err := s.Lock(ctx, name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			cancel()
			if ok, err := other.TryLock(t.Context(), name); ok || err != nil {
				t.Errorf("%s: a second one has it: %v %v", name, ok, err)
			}
			if err := s.Unlock(t.Context(), name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if ok, err := other.TryLock(t.Context(), name); !ok || err != nil {
			t.Errorf("%s: it is not free: %v %v", name, ok, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Lock(ctx, name); err == nil {
			t.Errorf("%s: two have it", name)
		}
		if err := other.Unlock(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A name waits as long as its record says, unless a clock has said so that was wrong.
func TestRestAfterAFailure(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	const none = 0
	for what, c := range map[string]struct {
		at, retry time.Duration // from now
		want      action
	}{
		"not yet":                                    {-time.Minute, time.Minute, wait},
		"its time has come":                          {-3 * time.Minute, none, obtain},
		"the authority has named a day":              {-time.Minute, 6 * 24 * time.Hour, wait},
		"a clock a minute ahead was set":             {time.Minute, 3 * time.Minute, wait},
		"a clock an hour ahead was set":              {time.Hour, time.Hour + 2*time.Minute, obtain},
		"a clock years ahead was set":                {72 * 365 * 24 * time.Hour, 72*365*24*time.Hour + 2*time.Minute, obtain},
		"years ahead, of a record without a failure": {none, 72 * 365 * 24 * time.Hour, obtain},
	} {
		r := record{Failures: 1, RetryAt: now.Add(c.retry)}
		if c.at != none {
			r.At = now.Add(c.at)
		}
		if do, _ := r.due(nil, "https://ca.example.test", now); do != c.want {
			t.Errorf("%s: %v, want %v", what, do, c.want)
		}
	}
}
