package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// write replaces a file as a whole: temp, fsync, rename, fsync of the directory.
func (s *Store) write(app, name string, v any) (err error) {
	path := s.Path(app, name)
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot write %s: %w", path, bounded.Reason(err))
		}
	}()
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.writeBytes(app, name, append(b, '\n'))
}

func (s *Store) writeBytes(app, name string, b []byte) error {
	if err := s.makeDir(s.dataDir(app)); err != nil {
		return err
	}
	return s.Replace(s.Path(app, name), b)
}

// Replace writes a file as a whole. Nobody else writes it meanwhile. It writes to the store's
// file system, which tests have fail at each step; renameio knows the real one only.
func (s *Store) Replace(path string, b []byte) error {
	tmp := path + ".tmp"
	// Whatever lies in the way of the temporary file is rubbish of a crash: who
	// writes here holds the app's lock.
	if err := ignoreMissing(s.FS.RemoveAll(tmp)); err != nil {
		return err
	}
	f, err := s.FS.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = s.makeRoom(path)
	}
	if err == nil {
		err = s.FS.Rename(tmp, path)
	}
	if err != nil {
		_ = s.FS.Remove(tmp)
		return err
	}
	if d, derr := s.FS.Open(filepath.Dir(path)); derr == nil {
		_ = d.Sync() // some file systems cannot; the rename is atomic all the same
		_ = d.Close()
	}
	return nil
}

// ReplaceAlone is Replace of a file that no app's lock is for: commands write it, and a daemon that
// has just begun. done: false, another process writes it at this moment, and this one has yet to.
func (s *Store) ReplaceAlone(path string, b []byte) (done bool, err error) {
	lock := filepath.Join(s.Dir, filepath.Base(path)+".lock")
	f, err := os.OpenFile(lock, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err == nil {
		defer f.Close()
		if errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK) {
			return false, nil
		}
	} // without a state directory nothing runs that would write it as well
	return true, s.Replace(path, b)
}

// makeRoom moves a directory away that stands in a file's place: an app is not to be
// down for that.
func (s *Store) makeRoom(path string) error {
	if fi, err := appdir.Lstat(s.FS, path); err != nil || !fi.IsDir() {
		return nil //nolint:nilerr // nothing is in the way, or the rename says so
	}
	aside := path + ".damaged"
	if err := s.FS.RemoveAll(aside); err != nil {
		return err
	}
	return s.FS.Rename(path, aside)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
