package state

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// InnerData is the data directory inside a state directory.
func InnerData(stateDir string) string { return filepath.Join(stateDir, "data") }

// WarnVolatile says where what must survive a reboot would not.
func (s *Store) WarnVolatile(log *slog.Logger) {
	var st unix.Statfs_t
	if unix.Statfs(s.Data, &st) != nil || st.Type != unix.TMPFS_MAGIC && st.Type != unix.RAMFS_MAGIC {
		return
	}
	log.Warn("the data directory is in memory: last good specs, stop and scale are lost at the next reboot",
		"dir", s.Data, "next", "name a directory on a disk with --data-dir")
}

// kept are the files of an app that lie in the data directory.
var kept = []string{FileSpec, FileApplied, FileOverride, fileFailure, runner.ServedFile}

// TakeOver moves what earlier versions kept in the state directory, and what was
// kept inside it while the data directory could not be used, to the data
// directory. What is there already is newer.
func (s *Store) TakeOver(log *slog.Logger) {
	places := []string{s.AppsDir()}
	if inner := InnerData(s.Dir); inner != s.Data {
		places = append(places, filepath.Join(inner, "apps"))
	}
	for _, from := range places {
		es, err := afero.ReadDir(s.FS, from)
		if err != nil {
			continue // it holds nothing
		}
		for _, e := range es {
			if !e.IsDir() || !IsApp(e.Name()) {
				continue
			}
			if err := s.takeOverApp(filepath.Join(from, e.Name()), e.Name()); err != nil {
				log.Error("cannot take over the saved state of an app", "app", e.Name(), "from", from, "to", s.Data, "err", err)
			}
		}
	}
}

func (s *Store) takeOverApp(from, app string) error {
	for _, f := range kept {
		old := filepath.Join(from, f)
		if fi, err := appdir.Lstat(s.FS, old); err != nil || !fi.Mode().IsRegular() {
			continue
		}
		if _, err := appdir.Lstat(s.FS, s.Path(app, f)); errors.Is(err, fs.ErrNotExist) {
			b, err := afero.ReadFile(s.FS, old)
			if err == nil {
				err = s.writeBytes(app, f, b)
			}
			if err != nil {
				return err
			}
		}
		if err := s.FS.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove %s: %w", old, bounded.Reason(err))
		}
	}
	return nil
}

// known lists the apps of which the data directory or the state directory holds
// something, sorted.
func known(lists ...[]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}
