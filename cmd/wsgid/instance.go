package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// maxInstances bounds the search for a free number; nobody runs that many
// masters on one folder.
const maxInstances = 1000

// instancePrefix is what the names of all instances on a folder begin with.
// It is short, since the path of a control socket holds it and may have 108
// bytes in all.
func instancePrefix(path string) string {
	base := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '_'
	}, filepath.Base(path))
	sum := sha256.Sum256([]byte(path))
	return base[:min(len(base), 24)] + "@" + hex.EncodeToString(sum[:4]) + "-"
}

// stateDir is where what runs is noted, the same as the fleet's.
func (c *cli) stateDir() string {
	if c.opts.stateDir != "" {
		if abs, err := filepath.Abs(c.opts.stateDir); err == nil {
			return abs
		}
	}
	return runner.DefaultStateDir()
}

// dataDir is where a master keeps what must survive a reboot: beside the fleet's. A
// state directory that was named holds it itself.
func dataDir(stateDir string) string {
	if d := runner.DefaultDataDir(); d != "" && stateDir == runner.DefaultStateDir() {
		return d
	}
	return stateDir
}

// makeStateDir makes the state directory and refuses one that others could
// write to, as what lies there is trusted.
func (c *cli) makeStateDir() (string, error) {
	dir := c.stateDir()
	fail := func(err error) (string, error) {
		return "", fmt.Errorf("cannot use state directory %s: %w", dir, err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fail(err)
	}
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711 // workers of other users read their Python host in it
	}
	if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fail(err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return fail(err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fail(errors.New("it is not a directory; name another with --state-dir"))
	case int(st.Uid) != os.Geteuid():
		return fail(fmt.Errorf("it belongs to uid %d, and its contents are trusted; name another with --state-dir", st.Uid))
	case st.Mode&0o022 != 0:
		return fail(fmt.Errorf("its mode %04o allows others to write to it, and its contents are trusted; chmod 0700 it", st.Mode&0o777))
	}
	if err := os.MkdirAll(filepath.Join(dir, "apps"), 0o700); err != nil {
		return fail(err)
	}
	return dir, nil
}

// instance is a name in the state directory that is ours until release.
type instance struct {
	name string
	dir  string
	lock *os.File // flock; closed by release
}

// claim takes the first free name of the folder's.
func claim(stateDir, path string) (*instance, error) {
	for n := 1; n <= maxInstances; n++ {
		in := &instance{name: instancePrefix(path) + strconv.Itoa(n)}
		in.dir = filepath.Join(stateDir, "apps", in.name)
		free, err := in.take(stateDir)
		if err != nil {
			return nil, fmt.Errorf("cannot use state directory %s: %w", stateDir, err)
		}
		if free {
			return in, nil
		}
	}
	return nil, fmt.Errorf("cannot start %s: %d instances already run on it", path, maxInstances)
}

// take tells whether the name was free, and holds it then.
func (in *instance) take(stateDir string) (bool, error) {
	if err := os.Mkdir(in.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	lock, err := os.OpenFile(filepath.Join(in.dir, "apply.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // another one gives the name back right now: take the next
	}
	if err != nil {
		return false, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return false, nil
		}
		return false, err
	}
	masters, err := runner.FindMasters(stateDir, in.name)
	if err != nil || len(masters) > 0 {
		_ = lock.Close()
		return false, err
	}
	in.lock = lock
	return true, nil
}

// release lets others look at the name again; one that no master uses leaves
// nothing behind.
func (in *instance) release(used bool) {
	if !used {
		_ = os.Remove(in.lock.Name())
		_ = os.Remove(in.dir) // fails where something is left, as it should
	}
	_ = in.lock.Close()
}

// masters returns the live masters of the folder that the state directory
// knows: instances of ours, and the fleet's.
func (c *cli) masters() ([]*runner.Handle, error) {
	apps := filepath.Join(c.stateDir(), "apps")
	entries, err := os.ReadDir(apps)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read state directory %s: %w", apps, err)
	}
	here, herr := c.folderInfo()
	if herr != nil && !errors.Is(herr, fs.ErrNotExist) {
		return nil, herr
	}
	var found []*runner.Handle
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		handles, err := runner.FindMasters(c.stateDir(), e.Name())
		if err != nil {
			return nil, err
		}
		for _, h := range handles {
			there, err := os.Stat(h.Path)
			if h.Path == c.path || err == nil && herr == nil && os.SameFile(here, there) {
				found = append(found, h)
			}
		}
	}
	slices.SortFunc(found, func(a, b *runner.Handle) int { return a.PID - b.PID })
	return found, nil
}

// ofFleet tells whether a master is one that the fleet keeps.
func ofFleet(h *runner.Handle) bool { return !strings.Contains(h.App, "@") }
