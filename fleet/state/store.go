package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// Store is what must outlive the daemon: the state directory, which holds what is
// true of running processes, and the data directory, which holds what must survive
// a reboot. Both belong to the daemon's user and are trusted before anything in an
// app folder. Nobody else may look into them; root lets others pass through the
// state directory (0711), as workers of other users read the Python host there.
//
//	STATE/fleet.lock            flock of the running daemon, its pid inside
//	     /fleet.sock            its control socket
//	     /daemon.json           who it is, for other users of the machine
//	     /sockets.sock          of who holds the sockets of idle apps, see holder.go
//	     /sockets.sock.lock     flock of whoever makes or removes it
//	     /directory.json.lock   flock of whoever writes DATA/directory.json
//	     /host/                 the Python host, package runner's
//	     /apps/NAME/apply.lock  flock of whoever works on this app now
//	DATA/apps/NAME/spec.json      the last good spec
//	              /applied.json   what was handed to a master last, with its generation
//	              /override.json  what an operator ordered against the spec
//	              /failure.json   why the spec is not carried out
//	              /served.json    what it served by last, package runner's
//	    /deploys/NAME/…         releases and their logbook, package fleet/deploy's
//
// A file that cannot be read is as good as none, and the reader is told.
type Store struct {
	Dir  string // of the state
	Data string
	FS   afero.Fs

	folders *bounded.Fs // app folders, whose disk may not answer; nil: nobody looks into them
}

// Desired is the wanted number of workers.
type Desired struct {
	Min int `json:"min"`
	Max int `json:"max"`
}

// String says it as scale's argument does.
func (d Desired) String() string {
	if d.Min == d.Max {
		return fmt.Sprint(d.Max)
	}
	return fmt.Sprintf("%d to %d", d.Min, d.Max)
}

// Override is what an operator ordered against the spec.
type Override struct {
	Stopped bool      `json:"stopped,omitempty"` // until start, or apply with the app's name
	Scale   *Desired  `json:"scale,omitempty"`   // until the spec's next change
	Digest  string    `json:"digest,omitempty"`  // of the spec that Scale was ordered for
	Since   time.Time `json:"since"`
}

// Empty tells that nothing is ordered.
func (o Override) Empty() bool { return !o.Stopped && o.Scale == nil }

// Applied is what was handed to a master last.
type Applied struct {
	Generation int           `json:"generation"`
	Digest     string        `json:"digest"`
	Spec       *appspec.Spec `json:"spec"`
	// Before is what the workers ran when a rollout of Spec began; nil: no
	// rollout was needed.
	Before *appspec.Spec `json:"before,omitempty"`
}

// Failure is why a spec is not carried out.
type Failure struct {
	Digest    string    `json:"digest"`           // of the spec; of another spec: no longer of interest
	Folder    string    `json:"folder,omitempty"` // the app folder that it failed in, see surrounding
	Reason    string    `json:"reason"`
	Traceback string    `json:"traceback,omitempty"`
	Next      string    `json:"next,omitempty"` // what to do about it, where Reason does not say it
	At        time.Time `json:"at"`
	Attempts  int       `json:"attempts"`
	// RetryAt is zero for a spec that was tried and given up: it is tried again
	// when it changes or when somebody asks.
	RetryAt time.Time `json:"retry_at,omitzero"`
	// Neighbour tells that another app of the fleet has an address.
	Neighbour bool `json:"neighbour,omitempty"`
}

// Wait is how long it is until the next try; 0: it is due. A failure of the future
// is due: the clock was set back, and what it says now means nothing for RetryAt.
func (f *Failure) Wait(now time.Time) time.Duration {
	if now.Before(f.At) {
		return 0
	}
	return max(f.RetryAt.Sub(now), 0)
}

// Names of the files of an app in the data directory.
const (
	FileSpec     = "spec.json"
	FileApplied  = "applied.json"
	FileOverride = "override.json"
	fileFailure  = "failure.json"
)

// Open makes the two directories if need be and refuses ones that others
// could write to, as what lies there is trusted.
func Open(fsys afero.Fs, dir, data string) (*Store, error) {
	s := &Store{Dir: dir, Data: data, FS: fsys, folders: &bounded.Fs{Fs: fsys, Limit: folderLimit}}
	if err := s.MakeDirs(); err != nil {
		return nil, err
	}
	return s, nil
}

// MakeDirs makes what is missing of the two directories. It is called again while a
// daemon runs: somebody may have swept them away.
func (s *Store) MakeDirs() error {
	mode, err := s.makeTop("state", s.Dir)
	if err != nil {
		return err
	}
	if os.Geteuid() == 0 && mode&0o011 != 0o011 {
		if err := s.FS.Chmod(s.Dir, mode|0o011); err != nil {
			return fmt.Errorf("cannot set the mode of state directory %s: %w", s.Dir, bounded.Reason(err))
		}
	}
	if _, err = s.makeTop("data", s.Data); err != nil {
		return err
	}
	return s.makeGateSockets()
}

// makeTop makes one of the two directories, with its folder of apps.
func (s *Store) makeTop(kind, dir string) (fs.FileMode, error) {
	if err := s.FS.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return 0, fmt.Errorf("cannot make %s directory %s: %w", kind, dir, bounded.Reason(err))
	}
	if err := s.FS.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("cannot make %s directory %s: %w", kind, dir, bounded.Reason(err))
	}
	mode, err := CheckTop(s.FS, kind, dir)
	if err != nil {
		return 0, err
	}
	apps := filepath.Join(dir, "apps")
	if err := s.FS.Mkdir(apps, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("cannot make %s directory %s: %w", kind, apps, bounded.Reason(err))
	}
	if fi, err := s.FS.Stat(apps); err != nil || !fi.IsDir() {
		return 0, fmt.Errorf("cannot use %s directory %s: %s is not a directory; move it away", kind, dir, apps)
	}
	return mode, nil
}

// Check proves that nobody else could have written what lies in the state
// directory.
func (s *Store) Check() (fs.FileMode, error) { return CheckTop(s.FS, "state", s.Dir) }

// CheckTop proves that nobody else could have written what lies in one of the two
// directories, and tells its mode.
func CheckTop(fsys afero.Fs, kind, dir string) (fs.FileMode, error) {
	fi, err := appdir.Lstat(fsys, dir)
	if err != nil {
		return 0, fmt.Errorf("cannot use %s directory %s: %w", kind, dir, bounded.Reason(err))
	}
	if !fi.IsDir() {
		return 0, fmt.Errorf("cannot use %s directory %s: it is not a directory; move it away, or name another with --%s-dir", kind, dir, kind)
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && st.Uid != uint32(os.Geteuid()) {
		return 0, fmt.Errorf("cannot use %s directory %s: it belongs to %s, and its contents are trusted; name another with --%s-dir, or run as that user",
			kind, dir, userText(st.Uid), kind)
	}
	if fi.Mode().Perm()&0o022 != 0 {
		return 0, fmt.Errorf("cannot use %s directory %s: its mode %04o allows others to write to it, and its contents are trusted; chmod 0700 it",
			kind, dir, fi.Mode().Perm())
	}
	return fi.Mode().Perm(), nil
}

// CertificatesDir holds the certificates.
func (s *Store) CertificatesDir() string { return filepath.Join(s.Data, "certificates") }

// AppsDir holds a directory for each app, in the state directory.
func (s *Store) AppsDir() string          { return filepath.Join(s.Dir, "apps") }
func (s *Store) appDir(app string) string { return filepath.Join(s.AppsDir(), app) }

// LockPath is the file that a daemon locks.
func (s *Store) LockPath() string { return filepath.Join(s.Dir, "fleet.lock") }

// SocketPath is the control socket of a daemon.
func (s *Store) SocketPath() string { return filepath.Join(s.Dir, "fleet.sock") }

func (s *Store) applyLock(app string) string { return filepath.Join(s.appDir(app), "apply.lock") }
func (s *Store) dataDir(app string) string   { return filepath.Join(s.Data, "apps", app) }

// Path is where a file of an app lies in the data directory.
func (s *Store) Path(app, f string) string { return filepath.Join(s.dataDir(app), f) }

func (s *Store) remove(app, f string) error {
	_ = s.makeRoom(s.Path(app, f))
	err := s.FS.Remove(s.Path(app, f))
	if errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return ignoreMissing(err)
}

// Apps lists the apps that the two directories know, sorted. What is not an
// app's name is passed over.
func (s *Store) Apps() ([]string, error) {
	running, err := s.appsIn(s.AppsDir())
	kept, derr := s.appsIn(filepath.Join(s.Data, "apps"))
	return known(running, kept), errors.Join(err, derr)
}

// IsApp tells whether that is what an app is called, or the gate: it runs, too, when no
// spec says so, as before the first are read.
func IsApp(name string) bool { return appspec.ValidName(name) || name == appspec.GateName }

func (s *Store) appsIn(dir string) ([]string, error) {
	es, err := s.entries(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("cannot read %s: %w", dir, bounded.Reason(err))
	}
	var names []string
	for _, e := range es {
		if e.IsDir() && IsApp(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// entries lists a directory, in no order. What each is the kernel tells with its name: none
// of ten thousand is looked at alone.
func (s *Store) entries(dir string) ([]fs.DirEntry, error) {
	f, err := s.FS.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if d, ok := f.(fs.ReadDirFile); ok {
		return d.ReadDir(-1)
	}
	infos, err := f.Readdir(-1)
	es := make([]fs.DirEntry, len(infos))
	for i, info := range infos {
		es[i] = fs.FileInfoToDirEntry(info)
	}
	return es, err
}

// Make makes the directory of an app in the state directory.
func (s *Store) Make(app string) error { return s.makeDir(s.appDir(app)) }

func (s *Store) makeDir(d string) error {
	err := s.FS.Mkdir(d, 0o700)
	if errors.Is(err, fs.ErrNotExist) { // swept away: all of it is made anew
		if err = s.MakeDirs(); err != nil {
			return err
		}
		err = s.FS.Mkdir(d, 0o700)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot make directory %s: %w", d, bounded.Reason(err))
	}
	if fi, err := appdir.Lstat(s.FS, d); err == nil && !fi.IsDir() {
		return fmt.Errorf("cannot use state directory %s: it is not a directory; move it away", d)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) { // then Delete was faster: whoever needs it begins again
		return fmt.Errorf("cannot use state directory %s: %w", d, bounded.Reason(err))
	}
	return nil
}

// Delete removes what is known of an app that is no more. Its lock stays until
// the last of it is gone, as somebody may wait for it.
func (s *Store) Delete(app string) error {
	for _, f := range kept {
		if err := s.remove(app, f); err != nil {
			return fmt.Errorf("cannot forget app %s: %w", app, err)
		}
		_ = s.FS.RemoveAll(s.Path(app, f) + ".damaged")
	}
	// Whoever waits for this lock finds, once it has it, that the file is
	// another one and begins again (lockApp).
	_ = s.FS.Remove(s.applyLock(app))
	s.removeLocks(app)
	_ = s.FS.Remove(s.dataDir(app)) // fails while something is left, as it should
	_ = s.FS.Remove(s.appDir(app))
	return nil
}

// SaveSpec keeps the last good spec of an app.
func (s *Store) SaveSpec(spec *appspec.Spec) error { return s.write(spec.Name, FileSpec, spec) }

// SaveApplied keeps what was handed to a master.
func (s *Store) SaveApplied(app string, a Applied) error { return s.write(app, FileApplied, a) }

// SaveOverride keeps an operator's order; the zero Override removes it.
func (s *Store) SaveOverride(app string, o Override) error {
	if o.Empty() {
		if err := s.remove(app, FileOverride); err != nil {
			return fmt.Errorf("cannot remove %s: %w", s.Path(app, FileOverride), bounded.Reason(err))
		}
		return nil
	}
	return s.write(app, FileOverride, o)
}

// SaveFailure keeps why a spec is not carried out; nil removes it.
func (s *Store) SaveFailure(app string, f *Failure) error {
	if f == nil {
		if err := s.remove(app, fileFailure); err != nil {
			return fmt.Errorf("cannot remove %s: %w", s.Path(app, fileFailure), bounded.Reason(err))
		}
		return nil
	}
	return s.write(app, fileFailure, f)
}
