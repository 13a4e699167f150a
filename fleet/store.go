package fleet

import (
	"encoding/json"
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
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
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
	fs   afero.Fs
}

// Override is what an operator ordered against the spec.
type Override struct {
	Stopped bool      `json:"stopped,omitempty"` // until start, or apply with the app's name
	Scale   *Desired  `json:"scale,omitempty"`   // until the spec's next change
	Digest  string    `json:"digest,omitempty"`  // of the spec that Scale was ordered for
	Since   time.Time `json:"since"`
}

// empty tells that nothing is ordered.
func (o Override) empty() bool { return !o.Stopped && o.Scale == nil }

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
	At        time.Time `json:"at"`
	Attempts  int       `json:"attempts"`
	// RetryAt is zero for a spec that was tried and given up: it is tried again
	// when it changes or when somebody asks.
	RetryAt time.Time `json:"retry_at,omitzero"`
}

// wait is how long it is until the next try; 0: it is due. A failure of the future
// is due: the clock was set back, and what it says now means nothing for RetryAt.
func (f *Failure) wait(now time.Time) time.Duration {
	if now.Before(f.At) {
		return 0
	}
	return max(f.RetryAt.Sub(now), 0)
}

const (
	fileSpec     = "spec.json"
	fileApplied  = "applied.json"
	fileOverride = "override.json"
	fileFailure  = "failure.json"
)

// OpenStore makes the two directories if need be and refuses ones that others
// could write to, as what lies there is trusted.
func OpenStore(fsys afero.Fs, dir, data string) (*Store, error) {
	s := &Store{Dir: dir, Data: data, fs: fsys}
	if err := s.make(); err != nil {
		return nil, err
	}
	return s, nil
}

// make makes what is missing of the two directories. It is called again while a
// daemon runs: somebody may have swept them away.
func (s *Store) make() error {
	mode, err := s.makeTop("state", s.Dir)
	if err != nil {
		return err
	}
	if os.Geteuid() == 0 && mode&0o011 != 0o011 {
		if err := s.fs.Chmod(s.Dir, mode|0o011); err != nil {
			return fmt.Errorf("cannot set the mode of state directory %s: %w", s.Dir, reason(err))
		}
	}
	if _, err = s.makeTop("data", s.Data); err != nil {
		return err
	}
	return s.makeGateSockets()
}

// makeTop makes one of the two directories, with its folder of apps.
func (s *Store) makeTop(kind, dir string) (fs.FileMode, error) {
	if err := s.fs.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return 0, fmt.Errorf("cannot make %s directory %s: %w", kind, dir, reason(err))
	}
	if err := s.fs.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("cannot make %s directory %s: %w", kind, dir, reason(err))
	}
	mode, err := checkTop(s.fs, kind, dir)
	if err != nil {
		return 0, err
	}
	apps := filepath.Join(dir, "apps")
	if err := s.fs.Mkdir(apps, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("cannot make %s directory %s: %w", kind, apps, reason(err))
	}
	if fi, err := s.fs.Stat(apps); err != nil || !fi.IsDir() {
		return 0, fmt.Errorf("cannot use %s directory %s: %s is not a directory; move it away", kind, dir, apps)
	}
	return mode, nil
}

// check proves that nobody else could have written what lies in the state
// directory.
func (s *Store) check() (fs.FileMode, error) { return checkTop(s.fs, "state", s.Dir) }

func checkTop(fsys afero.Fs, kind, dir string) (fs.FileMode, error) {
	fi, err := appdir.Lstat(fsys, dir)
	if err != nil {
		return 0, fmt.Errorf("cannot use %s directory %s: %w", kind, dir, reason(err))
	}
	if !fi.IsDir() {
		return 0, fmt.Errorf("cannot use %s directory %s: it is not a directory", kind, dir)
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && st.Uid != uint32(os.Geteuid()) {
		return 0, fmt.Errorf("cannot use %s directory %s: it belongs to %s, and what lies there is trusted; name another with --%s-dir, or run as that user",
			kind, dir, userText(st.Uid), kind)
	}
	if fi.Mode().Perm()&0o022 != 0 {
		return 0, fmt.Errorf("cannot use %s directory %s: its mode %04o lets others write to it, and what lies there is trusted; chmod 0700 it",
			kind, dir, fi.Mode().Perm())
	}
	return fi.Mode().Perm(), nil
}

func (s *Store) appsDir() string             { return filepath.Join(s.Dir, "apps") }
func (s *Store) appDir(app string) string    { return filepath.Join(s.appsDir(), app) }
func (s *Store) lockPath() string            { return filepath.Join(s.Dir, "fleet.lock") }
func (s *Store) socketPath() string          { return filepath.Join(s.Dir, "fleet.sock") }
func (s *Store) applyLock(app string) string { return filepath.Join(s.appDir(app), "apply.lock") }
func (s *Store) dataDir(app string) string   { return filepath.Join(s.Data, "apps", app) }
func (s *Store) path(app, f string) string   { return filepath.Join(s.dataDir(app), f) }
func (s *Store) remove(app, f string) error {
	_ = s.makeRoom(s.path(app, f))
	err := s.fs.Remove(s.path(app, f))
	if errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return ignoreMissing(err)
}

// Apps lists the apps that the two directories know, sorted. What is not an
// app's name is passed over.
func (s *Store) Apps() ([]string, error) {
	running, err := s.appsIn(s.appsDir())
	kept, derr := s.appsIn(filepath.Join(s.Data, "apps"))
	return known(running, kept), errors.Join(err, derr)
}

// isApp tells whether that is what an app is called, or the gate: it runs, too, when no
// spec says so, as before the first are read.
func isApp(name string) bool { return appspec.ValidName(name) || name == appspec.GateName }

func (s *Store) appsIn(dir string) ([]string, error) {
	es, err := afero.ReadDir(s.fs, dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("cannot read %s: %w", dir, reason(err))
	}
	var names []string
	for _, e := range es {
		if e.IsDir() && isApp(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Make makes the directory of an app in the state directory.
func (s *Store) Make(app string) error { return s.makeDir(s.appDir(app)) }

func (s *Store) makeDir(d string) error {
	err := s.fs.Mkdir(d, 0o700)
	if errors.Is(err, fs.ErrNotExist) { // swept away: all of it is made anew
		if err = s.make(); err != nil {
			return err
		}
		err = s.fs.Mkdir(d, 0o700)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot make directory %s: %w", d, reason(err))
	}
	if fi, err := appdir.Lstat(s.fs, d); err == nil && !fi.IsDir() {
		return fmt.Errorf("cannot use state directory %s: it is not a directory; move it away", d)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) { // then Forget was faster: whoever needs it begins again
		return fmt.Errorf("cannot use state directory %s: %w", d, reason(err))
	}
	return nil
}

// Forget removes what is known of an app that is no more. Its lock stays until
// the last of it is gone, as somebody may wait for it.
func (s *Store) Forget(app string) error {
	for _, f := range kept {
		if err := s.remove(app, f); err != nil {
			return fmt.Errorf("cannot forget app %s: %w", app, err)
		}
		_ = s.fs.RemoveAll(s.path(app, f) + ".damaged")
	}
	// Whoever waits for this lock finds, once it has it, that the file is
	// another one and begins again (lockApp).
	_ = s.fs.Remove(s.applyLock(app))
	_ = s.fs.Remove(s.dataDir(app)) // fails while something is left, as it should
	_ = s.fs.Remove(s.appDir(app))
	return nil
}

// Remembered is all that the state directory holds of an app.
type Remembered struct {
	LastGood *appspec.Spec // nil: none was ever seen
	Applied  *Applied      // nil: nothing was handed to a master
	Override Override
	Failure  *Failure // nil: none
	// Release is what a deploy has made the code that should serve. It is read where
	// an app turns out to have a deploy block: most have none, and each pass asks.
	Release      *deploy.Record
	releaseKnown bool
	book         *deploy.Book // where it is; nil: it was read, or nothing was recalled
	// Rubbish are files that could not be read, one sentence each.
	Rubbish []string
	Unknown error // why it cannot be told what there is, for want of descriptors or memory

	guessed bool // LastGood is what was handed to a master last: its own file is lost

	// damaged says what is wrong with the files that tell which app it is; empty:
	// nothing. disordered: override.json is there and cannot be read.
	damaged    []string
	disordered bool
}

// Recall reads what the state directory holds of an app.
func (s *Store) Recall(app string) Remembered {
	var r Remembered
	s.recallSpec(app, &r)
	s.recallOrders(app, &r)
	r.guess()
	return r
}

// guess takes what was handed to a master last for the last good spec, where that
// is lost: an app is never given up for a file of ours.
func (r *Remembered) guess() {
	if r.LastGood == nil && r.Applied != nil {
		r.LastGood, r.guessed = r.Applied.Spec, true
	}
}

// recallSpec reads the last good spec. It costs more than all the rest.
func (s *Store) recallSpec(app string, r *Remembered) {
	var spec appspec.Spec
	switch {
	case !s.read(app, fileSpec, &spec, r):
	case spec.Name != app:
		r.foreign(s.path(app, fileSpec), spec.Name)
	case !meansAnApp(&spec):
		r.foreign(s.path(app, fileSpec), "")
	default:
		r.LastGood = &spec
	}
}

// recallOrders reads all but the last good spec.
func (s *Store) recallOrders(app string, r *Remembered) {
	var ap Applied
	switch {
	case !s.read(app, fileApplied, &ap, r):
	case ap.Spec == nil || ap.Spec.Name != app || !meansAnApp(ap.Spec):
		r.foreign(s.path(app, fileApplied), "")
	default:
		r.Applied = &ap
	}
	switch {
	case !s.read(app, fileOverride, &r.Override, r):
		r.Override = Override{}
	case r.Override.empty(): // nobody has written that
		r.foreign(s.path(app, fileOverride), "")
	}
	var f Failure
	if s.read(app, fileFailure, &f, r) {
		r.Failure = &f
	}
	r.book = s.book(app)
}

// meansAnApp tells whether a spec says where an app is and how it is reached: one of
// another version may say so elsewhere.
func meansAnApp(s *appspec.Spec) bool {
	return filepath.IsAbs(s.Path) && len(s.Sockets.HTTP)+len(s.Sockets.Mongrel2) > 0
}

// recallRelease reads which release should serve. Where that is lost it is the one
// that was handed to a master last, as no app is taken back for a file of ours.
func (r *Remembered) recallRelease() {
	if r.book == nil {
		return
	}
	now, _, known, err := r.book.Current()
	r.book = nil
	switch {
	case appdir.Exhausted(err):
		r.Unknown = err
	case err != nil:
		r.Rubbish = append(r.Rubbish, err.Error()+"; the release that was served last is taken for it")
	default:
		r.Release, r.releaseKnown = now, known
	}
}

// release is the one that should serve; nil: none.
func (r *Remembered) release() *deploy.Record {
	r.recallRelease()
	if r.releaseKnown {
		return r.Release
	}
	last := r.LastGood
	if r.Applied != nil {
		last = r.Applied.Spec
	}
	if last == nil || last.Release == nil {
		return nil
	}
	return &deploy.Record{Release: *last.Release, Virtualenv: last.Virtualenv, Deploy: last.Release.ID, Made: last.Made}
}

// book is the logbook of an app's deploys.
func (s *Store) book(app string) *deploy.Book { return deploy.OpenBook(s.fs, s.Data, app, s.replace) }

// read reads one file; what is wrong with it is noted in r.
func (s *Store) read(app, file string, v any, r *Remembered) bool {
	path := s.path(app, file)
	b, err := afero.ReadFile(s.fs, path)
	if err == nil {
		err = json.Unmarshal(b, v)
	} else {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return false
		}
		if appdir.Exhausted(err) {
			r.Unknown = err
			return false
		}
		err = reason(err)
	}
	if err != nil {
		r.rubbish(path, err.Error())
	}
	return err == nil
}

// foreign notes a file that is another app's.
func (r *Remembered) foreign(path, of string) {
	if of == "" {
		r.rubbish(path, "it does not say what this version understands")
		return
	}
	r.rubbish(path, fmt.Sprintf("it is of app %q", of))
}

func (r *Remembered) rubbish(path, why string) {
	text := fmt.Sprintf("cannot read %s: %s", path, why)
	r.Rubbish = append(r.Rubbish, text+"; it is taken as missing")
	switch filepath.Base(path) {
	case fileSpec, fileApplied:
		r.damaged = append(r.damaged, text)
	case fileOverride:
		r.disordered = true
	}
}

// SaveSpec keeps the last good spec of an app.
func (s *Store) SaveSpec(spec *appspec.Spec) error { return s.write(spec.Name, fileSpec, spec) }

// SaveApplied keeps what was handed to a master.
func (s *Store) SaveApplied(app string, a Applied) error { return s.write(app, fileApplied, a) }

// SaveOverride keeps an operator's order; the zero Override removes it.
func (s *Store) SaveOverride(app string, o Override) error {
	if o.empty() {
		if err := s.remove(app, fileOverride); err != nil {
			return fmt.Errorf("cannot remove %s: %w", s.path(app, fileOverride), reason(err))
		}
		return nil
	}
	return s.write(app, fileOverride, o)
}

// SaveFailure keeps why a spec is not carried out; nil removes it.
func (s *Store) SaveFailure(app string, f *Failure) error {
	if f == nil {
		if err := s.remove(app, fileFailure); err != nil {
			return fmt.Errorf("cannot remove %s: %w", s.path(app, fileFailure), reason(err))
		}
		return nil
	}
	return s.write(app, fileFailure, f)
}

// write replaces a file as a whole: temp, fsync, rename, fsync of the directory.
func (s *Store) write(app, name string, v any) (err error) {
	path := s.path(app, name)
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot write %s: %w", path, reason(err))
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
	return s.replace(s.path(app, name), b)
}

// replace writes a file as a whole. Nobody else writes it meanwhile.
func (s *Store) replace(path string, b []byte) error {
	tmp := path + ".tmp"
	// Whatever lies in the way of the temporary file is rubbish of a crash: who
	// writes here holds the app's lock.
	if err := ignoreMissing(s.fs.RemoveAll(tmp)); err != nil {
		return err
	}
	f, err := s.fs.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
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
		err = s.fs.Rename(tmp, path)
	}
	if err != nil {
		_ = s.fs.Remove(tmp)
		return err
	}
	if d, derr := s.fs.Open(filepath.Dir(path)); derr == nil {
		_ = d.Sync() // some file systems cannot; the rename is atomic all the same
		_ = d.Close()
	}
	return nil
}

// makeRoom moves a directory away that stands in a file's place: an app is not to be
// down for that.
func (s *Store) makeRoom(path string) error {
	if fi, err := appdir.Lstat(s.fs, path); err != nil || !fi.IsDir() {
		return nil //nolint:nilerr // nothing is in the way, or the rename says so
	}
	aside := path + ".damaged"
	if err := s.fs.RemoveAll(aside); err != nil {
		return err
	}
	return s.fs.Rename(path, aside)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// reason is a file error for our sentences, which name the path already.
func reason(err error) error { return bounded.Reason(err) }
