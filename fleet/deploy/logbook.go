package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
)

// Book is the logbook of one app, with what should serve.
type Book struct {
	fs      afero.Fs
	dir     string
	app     string
	replace func(path string, data []byte) error
}

// OpenBook is the logbook of an app below a data directory. Nothing is made before
// something is written; replace writes one file, whole and durably.
func OpenBook(fsys afero.Fs, dataDir, app string, replace func(path string, data []byte) error) *Book {
	return &Book{fs: fsys, dir: filepath.Join(BooksDir(dataDir), app), app: app, replace: replace}
}

// BooksDir is where the logbooks of a data directory lie, each in a folder of its app's name.
func BooksDir(dataDir string) string { return filepath.Join(dataDir, "deploys") }

// entries is how many entries a logbook keeps: older ones go with their releases.
const entries = 200

const (
	currentFile = "release.json"
	lockFile    = "lock"
)

// current is the content of release.json. A nil Release says that no release
// should serve; a file that is missing says nothing.
type current struct {
	Current *Record `json:"current"`
	Before  *Record `json:"before,omitempty"`
}

// Current is the release that should serve, and the one before it. known tells
// whether the file is there: without one, what was handed to a master last counts.
func (b *Book) Current() (now, before *Record, known bool, err error) {
	var c current
	if err := b.read(currentFile, &c); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, false, nil
		}
		return nil, nil, false, err
	}
	return c.Current, c.Before, true, nil
}

// SetCurrent makes a release the one that should serve.
func (b *Book) SetCurrent(now, before *Record) error {
	return b.write(currentFile, current{now, before})
}

// Save writes an entry.
func (b *Book) Save(e *Entry) error { return b.write(e.ID+".json", e) }

// Entry reads one entry by its id.
func (b *Book) Entry(id string) (*Entry, error) {
	if strings.ContainsRune(id, '/') {
		return nil, fmt.Errorf("no deploy %q of %s", id, b.app)
	}
	var e Entry
	if err := b.read(id+".json", &e); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("no deploy %q of %s; list them with: wsgid-fleet deploys %s", id, b.app, b.app)
		}
		return nil, err
	}
	e.App = b.app // which may have had another name
	return &e, nil
}

// Entries are those of a logbook, as they were read once.
type Entries struct {
	All []*Entry // the newest first
	Err error    // why some are missing
}

// Entries reads what List does.
func (b *Book) Entries() *Entries {
	all, err := b.List()
	return &Entries{All: all, Err: err}
}

// List reads all entries, the newest first. What cannot be read is left out and
// named in the error; the others come all the same.
func (b *Book) List() ([]*Entry, error) {
	names, err := b.names()
	var bad error
	var out []*Entry
	for _, n := range names {
		var e Entry
		if rerr := b.read(n, &e); rerr != nil {
			bad = errors.Join(bad, rerr)
			continue
		}
		e.App = b.app
		out = append(out, &e)
	}
	return out, errors.Join(err, bad)
}

// names of the entries' files, the newest first.
func (b *Book) names() ([]string, error) {
	es, err := afero.ReadDir(b.fs, b.dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("cannot read the logbook %s: %w", b.dir, bounded.Reason(err))
	}
	var names []string
	for _, e := range es {
		if n := e.Name(); n != currentFile && n != passwordsFile && strings.HasSuffix(n, ".json") {
			names = append(names, n)
		}
	}
	// By the id: "…048.json" stands before "…048.001.json".
	slices.SortFunc(names, func(a, b string) int {
		return strings.Compare(strings.TrimSuffix(b, ".json"), strings.TrimSuffix(a, ".json"))
	})
	return names, nil
}

// NewID is the id of a deploy that begins now: ids sort by time.
func (b *Book) NewID(now time.Time) (string, error) {
	names, err := b.names()
	if err != nil {
		return "", err
	}
	newest := ""
	if len(names) > 0 {
		newest = strings.TrimSuffix(names[0], ".json")
	}
	return appspec.DeployID(now, newest), nil
}

// Forget removes the oldest entries beyond the bound, but for those whose release
// is still there.
func (b *Book) Forget(book []*Entry) {
	for i, e := range book {
		if i >= entries && (e.Pruned || e.Release == "" || e.Kind != KindDeploy) {
			_ = b.fs.Remove(filepath.Join(b.dir, e.ID+".json"))
		}
	}
}

func (b *Book) read(name string, v any) error {
	path := filepath.Join(b.dir, name)
	data, err := afero.ReadFile(b.fs, path)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", path, bounded.Reason(err))
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("cannot read %s: %w", path, appspec.JSONReason(err))
	}
	return nil
}

// write replaces a file as a whole.
func (b *Book) write(name string, v any) error {
	path := filepath.Join(b.dir, name)
	data, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = b.fs.MkdirAll(b.dir, 0o700)
	}
	if err == nil {
		err = b.replace(path, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, bounded.Reason(err))
	}
	return nil
}

// LockedError says who deploys this app now.
type LockedError struct{ Holder string }

func (e *LockedError) Error() string { return e.Reason() + "; wait for it with: --wait" }

// Reason is the error without what is to be done.
func (e *LockedError) Reason() string {
	by := ""
	if e.Holder != "" {
		by = " (" + e.Holder + ")"
	}
	return "another deploy of it is in progress" + by
}

// Lock takes the lock of this app's deploys, which ends with this process. who
// stands in it for others to read.
func (b *Book) Lock(who string) (unlock func(), err error) {
	if err := b.fs.MkdirAll(b.dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the logbook %s: %w", b.dir, bounded.Reason(err))
	}
	path := filepath.Join(b.dir, lockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open lock %s: %w", path, bounded.Reason(err))
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		held, _ := os.ReadFile(path)
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &LockedError{Holder: strings.TrimSpace(string(held))}
		}
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	if is, err := os.Stat(path); err != nil || !sameFile(f, is) { // an app that was renamed took its logbook along just now
		_ = f.Close()
		return nil, &LockedError{}
	}
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(who+"\n"), 0)
	return func() {
		_ = f.Truncate(0)
		_ = f.Close()
	}, nil
}

func sameFile(f *os.File, is os.FileInfo) bool {
	was, err := f.Stat()
	return err == nil && os.SameFile(was, is)
}
