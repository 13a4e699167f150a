package fleet

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// defaultDataDir is the data directory that goes with a state directory. The
// machine's (or the user's) own has runner.DefaultDataDir; any other has one
// inside it, so that two fleets on one machine never share their data by
// accident.
func defaultDataDir(stateDir string) string {
	if d := runner.DefaultDataDir(); d != "" && stateDir == runner.DefaultStateDir() {
		return d
	}
	return innerData(stateDir)
}

func innerData(stateDir string) string { return filepath.Join(stateDir, "data") }

// DataDirs are the directories that hold the fleet's data, or one of them does: see
// openStore.
func (o Options) DataDirs() []string {
	o = o.withDefaults()
	if !o.dataChosen {
		return []string{o.DataDir}
	}
	return slices.Compact([]string{o.DataDir, innerData(o.StateDir)})
}

// openStore opens the two directories of a fleet. A data directory that nobody
// has named and that cannot be used (a read-only disk, a user without a home) is
// no reason not to run: the state directory holds the data then, and that is
// said.
func openStore(o Options) (*Store, error) {
	s, err := OpenStore(o.fs, o.StateDir, o.DataDir)
	if err == nil || !o.dataChosen || o.DataDir == innerData(o.StateDir) {
		return s, err
	}
	inner, ierr := OpenStore(o.fs, o.StateDir, innerData(o.StateDir))
	if ierr != nil {
		return nil, err
	}
	o.Log.Warn(err.Error(), "instead", inner.Data,
		"next", "name a directory that survives a reboot with --data-dir: last good specs, stop and scale are kept there")
	return inner, nil
}

// warnVolatile says where what must survive a reboot would not.
func (s *Store) warnVolatile(log *slog.Logger) {
	var st unix.Statfs_t
	if unix.Statfs(s.Data, &st) != nil || st.Type != unix.TMPFS_MAGIC && st.Type != unix.RAMFS_MAGIC {
		return
	}
	log.Warn("the data directory lies in memory: last good specs, stop and scale are lost with the next reboot",
		"dir", s.Data, "next", "name a directory on a disk with --data-dir")
}

// kept are the files of an app that lie in the data directory.
var kept = []string{fileSpec, fileApplied, fileOverride, fileFailure, runner.ServedFile}

// takeOver moves what earlier versions kept in the state directory, and what was
// kept inside it while the data directory could not be used, to the data
// directory. What is there already is newer.
func (s *Store) takeOver(log *slog.Logger) {
	places := []string{s.appsDir()}
	if inner := innerData(s.Dir); inner != s.Data {
		places = append(places, filepath.Join(inner, "apps"))
	}
	for _, from := range places {
		es, err := afero.ReadDir(s.fs, from)
		if err != nil {
			continue // it holds nothing
		}
		for _, e := range es {
			if !e.IsDir() || !isApp(e.Name()) {
				continue
			}
			if err := s.takeOverApp(filepath.Join(from, e.Name()), e.Name()); err != nil {
				log.Error("cannot take over what is known of an app", "app", e.Name(), "from", from, "to", s.Data, "err", err)
			}
		}
	}
}

func (s *Store) takeOverApp(from, app string) error {
	for _, f := range kept {
		old := filepath.Join(from, f)
		if fi, err := appdir.Lstat(s.fs, old); err != nil || !fi.Mode().IsRegular() {
			continue
		}
		if _, err := appdir.Lstat(s.fs, s.path(app, f)); errors.Is(err, fs.ErrNotExist) {
			b, err := afero.ReadFile(s.fs, old)
			if err == nil {
				err = s.writeBytes(app, f, b)
			}
			if err != nil {
				return err
			}
		}
		if err := s.fs.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove %s: %w", old, reason(err))
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
