package certs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
)

// storage is certmagic's files, but for the challenges, which are given to who answers
// here, and the locks.
type storage struct {
	certmagic.FileStorage
	challenges Challenges

	mu   sync.Mutex
	open map[string]*Challenge // by key; guarded by mu
	held map[string]*os.File   // locks, by name; guarded by mu, closed by Unlock
}

func isChallenge(key string) bool { return path.Base(path.Dir(key)) == "challenge_tokens" }

// Store implements certmagic.Storage.
func (s *storage) Store(ctx context.Context, key string, value []byte) error {
	if !isChallenge(key) {
		return s.FileStorage.Store(ctx, key, value)
	}
	var told acme.Challenge
	if err := json.Unmarshal(value, &told); err != nil {
		return err
	}
	c, err := challengeOf(&told)
	if err != nil {
		return err
	}
	if err := s.challenges.Present(ctx, c); err != nil {
		return err
	}
	s.mu.Lock()
	before := s.open[key]
	s.open[key] = c
	s.mu.Unlock()
	if before != nil {
		s.challenges.CleanUp(before)
	}
	return nil
}

// Delete implements certmagic.Storage.
func (s *storage) Delete(ctx context.Context, key string) error {
	if !isChallenge(key) {
		return s.FileStorage.Delete(ctx, key)
	}
	s.mu.Lock()
	c := s.open[key]
	delete(s.open, key)
	s.mu.Unlock()
	if c != nil {
		s.challenges.CleanUp(c)
	}
	return nil
}

// lockPause is how soon a lock that somebody has is tried again.
const lockPause = 50 * time.Millisecond

// Lock implements certmagic.Locker. The lock is the kernel's and ends with its process.
// certmagic's own is a time in a file: one that a crash has left is believed in until the
// clock has passed that time, which after the clock was set back may be for ever, and one
// that the disk has lost half of is an error for ever.
func (s *storage) Lock(ctx context.Context, name string) error {
	for {
		if ok, err := s.TryLock(ctx, name); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot lock %s: somebody else works on it: %w", name, context.Cause(ctx))
		case <-time.After(lockPause):
		}
	}
}

// TryLock implements certmagic.TryLocker.
func (s *storage) TryLock(_ context.Context, name string) (bool, error) {
	dir := filepath.Join(s.Path, "locks")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, fmt.Errorf("cannot make directory %s: %w", dir, bounded.Reason(err))
	}
	file := filepath.Join(dir, certmagic.StorageKeys.Safe(name)+".lock")
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return false, fmt.Errorf("cannot open lock %s: %w", file, bounded.Reason(err))
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
			return false, nil
		}
		return false, fmt.Errorf("cannot lock %s: %w", file, err)
	}
	s.mu.Lock()
	s.held[name] = f
	s.mu.Unlock()
	return true, nil
}

// Unlock implements certmagic.Locker. The file stays: who waits has it open.
func (s *storage) Unlock(_ context.Context, name string) error {
	s.mu.Lock()
	f := s.held[name]
	delete(s.held, name)
	s.mu.Unlock()
	return f.Close() // nil: it says so
}
