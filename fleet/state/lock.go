package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// RunningError tells that a daemon holds the state directory.
type RunningError struct {
	StateDir string
	PID      int // 0: not known
}

func (e *RunningError) Error() string {
	who := "another daemon"
	if e.PID > 0 {
		who = fmt.Sprintf("the daemon with pid %d", e.PID)
	}
	return fmt.Sprintf("cannot run on state directory %s: %s runs there; stop it, or name another with --state-dir", e.StateDir, who)
}

// LockDaemon takes the daemon's lock or fails with a RunningError. The lock
// lives as long as the file stays open in any process.
func (s *Store) LockDaemon() (*os.File, error) {
	f, err := os.OpenFile(s.LockPath(), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock state directory %s: %w", s.Dir, bounded.Reason(err))
	}
	// A daemon that was killed an instant ago may not be wholly gone.
	for end := time.Now().Add(time.Second); ; time.Sleep(20 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &RunningError{StateDir: s.Dir, PID: s.LockedBy()}
		}
		return nil, fmt.Errorf("cannot lock state directory %s: %w", s.Dir, err)
	}
	if err := s.SignLock(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// SignLock writes our pid into the lock file.
func (s *Store) SignLock(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("cannot write %s: %w", s.LockPath(), bounded.Reason(err))
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("cannot write %s: %w", s.LockPath(), bounded.Reason(err))
	}
	return nil
}

// LockedBy reads the pid in the lock file; 0: none. It is for messages only.
func (s *Store) LockedBy() int {
	b, err := os.ReadFile(s.LockPath())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}

// DaemonHolds tells whether a daemon holds the state directory now.
func (s *Store) DaemonHolds() bool {
	return isHeld(s.LockPath())
}

// IsLocked tells whether somebody works on the app now.
func (s *Store) IsLocked(app string) bool { return isHeld(s.applyLock(app)) }

// isHeld tells whether somebody has a lock alone; others who ask at the same time have not.
func isHeld(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return appdir.Exhausted(err) // not known: rather ask one that is not there than act beside one that is
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// LockApp waits until this process alone works on the app. The caller calls
// the function that it returns when done.
func (s *Store) LockApp(ctx context.Context, app string) (unlock func(), err error) {
	path := s.applyLock(app)
	wait := 2 * time.Millisecond
	for {
		if err := s.Make(app); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err == nil {
			if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil && SameFile(f, path) {
				return func() { f.Close() }, nil
			}
			f.Close()
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil // Delete has removed the directory under us
		}
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, fmt.Errorf("cannot lock app %s: %s: %w", app, path, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cannot lock app %s: another process works on it: %w", app, context.Cause(ctx))
		case <-time.After(wait):
			wait = min(2*wait, 100*time.Millisecond)
		}
	}
}

// removeLocks removes what masters of an app have locked for its processes and schedules. What
// is still locked is the lock of one that runs on.
func (s *Store) removeLocks(app string) {
	es, _ := s.entries(s.appDir(app))
	for _, e := range es {
		path := filepath.Join(s.appDir(app), e.Name())
		if !e.Type().IsRegular() || !strings.HasSuffix(path, ".lock") {
			continue
		}
		f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = s.FS.Remove(path)
		}
		_ = f.Close()
	}
}

// SameFile tells whether the open file is still the one of that path: Delete
// removes locks.
func SameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(path)
	return err == nil && os.SameFile(a, b)
}

func userText(uid uint32) string {
	if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
		return "user " + u.Username
	}
	return fmt.Sprintf("uid %d", uid)
}

// FileID tells a file from another one, as long as it exists.
func FileID(sys any) string {
	st, ok := sys.(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
