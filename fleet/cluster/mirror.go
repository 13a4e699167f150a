package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
)

// Mirror is the copy of the texts on this host's disk, from which the daemon reads, and
// what else must survive a reboot without etcd:
//
//	DIR/specs            a link to the current generation
//	   /generation-N-…/  its files, by number and digest
//	   /placed.json      which apps this host runs, and the hosts that counted
//	   /etcd.json        which etcd it is, and where its members are
//	   /token            drawn once, see Host.Machine
//
// The directory belongs to the daemon's user, as all of the data directory.
type Mirror struct {
	Dir string

	done made // by this process; Update's alone, while others ask what is current
}

// made is the generation that was made last: of the files has; it differs from the one
// before, if that is known, in touched alone.
type made struct {
	name, before string
	has          map[string]bool
	touched      []string
}

// Specs is the path of the spec directory.
func (m *Mirror) Specs() string { return filepath.Join(m.Dir, "specs") }

// Open makes what is missing. A mirror that has held nothing yet is an empty directory.
func (m *Mirror) Open() error {
	if err := os.MkdirAll(m.Dir, 0o700); err != nil {
		return fmt.Errorf("cannot make %s: %w", m.Dir, err)
	}
	if _, err := os.Stat(m.Specs()); err == nil {
		return nil
	}
	const none = "generation-0-none"
	if err := os.Mkdir(filepath.Join(m.Dir, none), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot make %s: %w", filepath.Join(m.Dir, none), err)
	}
	return m.point(none)
}

// Current tells which generation is there, and the digest of its texts; 0: none was.
func (m *Mirror) Current() (generation int64, digest string) {
	to, err := os.Readlink(m.Specs())
	if err != nil {
		return 0, ""
	}
	parts := strings.Split(filepath.Base(to), "-")
	if len(parts) != 3 {
		return 0, ""
	}
	generation, err = strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return 0, ""
	}
	return generation, parts[2]
}

// Update is a generation as it differs from the one that a mirror holds.
type Update struct {
	Generation int64
	Digest     string            // of all its texts, see Texts.Digest
	Files      map[string][]byte // those that are new or say something else
	Same       []string          // those that stay: nobody reads or writes them
}

// Update makes a generation the current one. Whoever reads meanwhile reads the old texts
// or the new ones: what a load may be reading is the present folder, and the one before it
// becomes the new one.
func (m *Mirror) Update(u Update) error {
	next := u.made()
	now, _ := os.Readlink(m.Specs())
	now = filepath.Base(now)
	if now == next.name {
		return nil
	}
	known := m.done
	m.done = made{} // until all is well
	dir := filepath.Join(m.Dir, next.name)
	if err := os.RemoveAll(dir); err != nil { // of a process that died half-way
		return fmt.Errorf("cannot write %s: %w", dir, bounded.Reason(err))
	}
	kept := u.Same
	if known.name == now {
		next.follow(known)
		if known.before != "" && os.Rename(filepath.Join(m.Dir, known.before), dir) == nil {
			if err := removeFiles(dir, known.touched, next.touched); err != nil {
				return err
			}
			kept = next.missed(known, u.Files)
		}
	}
	if err := m.fill(dir, filepath.Join(m.Dir, now), kept, u.Files, len(next.has)); err != nil {
		return err
	}
	if err := m.point(next.name); err != nil {
		return err
	}
	olds, _ := filepath.Glob(filepath.Join(m.Dir, "generation-*"))
	for _, old := range olds {
		if old != dir && filepath.Base(old) != now {
			_ = os.RemoveAll(old)
		}
	}
	m.done = next
	return nil
}

// made is the generation of an update, while nothing is known of the one before it.
func (u Update) made() made {
	next := made{name: fmt.Sprintf("generation-%d-%s", u.Generation, u.Digest), has: map[string]bool{}}
	for n := range u.Files {
		next.has[n] = true
		next.touched = append(next.touched, n)
	}
	for _, n := range u.Same {
		next.has[n] = true
	}
	return next
}

// follow notes which generation is before this one, and the files that only that has.
func (next *made) follow(known made) {
	next.before = known.name
	for n := range known.has {
		if !next.has[n] {
			next.touched = append(next.touched, n)
		}
	}
}

// missed are the files that stay from the present generation to the next one and are not
// in the one before, whose folder becomes the next one's.
func (next *made) missed(known made, files map[string][]byte) (names []string) {
	for _, n := range known.touched {
		if _, written := files[n]; next.has[n] && !written {
			names = append(names, n)
		}
	}
	return names
}

// fill makes a folder hold the files that are kept from the present one and those that are
// written, and looks whether these are all: a file that somebody has removed must not be
// taken for one that was not pushed.
func (m *Mirror) fill(dir, present string, kept []string, files map[string][]byte, all int) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot write %s: %w", dir, bounded.Reason(err))
	}
	for _, n := range kept {
		if err := m.keep(present, dir, n); err != nil {
			return err
		}
	}
	for n, text := range files {
		if err := m.write(dir, n, text); err != nil {
			return err
		}
	}
	there, err := countFiles(dir)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", dir, bounded.Reason(err))
	}
	if there != all {
		return fmt.Errorf("cannot write %s: it holds %d files of %d: %w", dir, there, all, fs.ErrNotExist)
	}
	return nil
}

func countFiles(dir string) (int, error) {
	d, err := os.Open(dir)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	return len(names), err
}

// removeFiles removes the files of both lists that are in a folder.
func removeFiles(dir string, lists ...[]string) error {
	for _, n := range slices.Concat(lists...) {
		if err := os.Remove(filepath.Join(dir, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot write %s: %w", dir, bounded.Reason(err))
		}
	}
	return nil
}

// keep has a file of one generation be the same in another.
func (m *Mirror) keep(from, to, name string) error {
	if os.Link(filepath.Join(from, name), filepath.Join(to, name)) == nil {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		return fmt.Errorf("cannot keep %s: %w", filepath.Join(from, name), err)
	}
	return m.write(to, name, text)
}

// write waits for the disk. Nobody reads the folder before it is the current one, so that
// a file may be half there until then.
func (m *Mirror) write(dir, name string, text []byte) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", filepath.Join(dir, name), bounded.Reason(err))
	}
	return nil
}

func (m *Mirror) point(name string) error {
	if err := renameio.Symlink(name, m.Specs()); err != nil {
		return fmt.Errorf("cannot link %s: %w", m.Specs(), err)
	}
	return nil
}

// Placed is the last decision.
type Placed struct {
	Here    []string `json:"here"`
	Members []Host   `json:"members"`
}

// Placed reads the last decision; a file that cannot be read is as good as none.
func (m *Mirror) Placed() (p Placed) {
	if b, err := os.ReadFile(filepath.Join(m.Dir, "placed.json")); err != nil || json.Unmarshal(b, &p) != nil {
		return Placed{}
	}
	return p
}

// SavePlaced keeps a decision.
func (m *Mirror) SavePlaced(p Placed) error { return m.save("placed.json", p) }

// Etcd is where the specs come from, as far as it is known.
type Etcd struct {
	ID string `json:"id"` // of the cluster that its members form
	// Published are the addresses by which its members say that they are reached, Members
	// those of them that the source does not name, and that answer.
	Published []string `json:"published,omitempty"`
	Members   []string `json:"members,omitempty"`
}

// Equal compares.
func (e Etcd) Equal(o Etcd) bool {
	return e.ID == o.ID && slices.Equal(e.Published, o.Published) && slices.Equal(e.Members, o.Members)
}

// Etcd reads what was known last; a file that cannot be read is as good as none.
func (m *Mirror) Etcd() (e Etcd) {
	if b, err := os.ReadFile(filepath.Join(m.Dir, "etcd.json")); err != nil || json.Unmarshal(b, &e) != nil {
		return Etcd{}
	}
	return e
}

// SaveEtcd keeps it.
func (m *Mirror) SaveEtcd(e Etcd) error { return m.save("etcd.json", e) }

func (m *Mirror) save(name string, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		err = renameio.WriteFile(filepath.Join(m.Dir, name), append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", filepath.Join(m.Dir, name), bounded.Reason(err))
	}
	return nil
}

// Machine names this boot of this machine: a copy of its disk elsewhere, and another
// data directory, have other names.
func (m *Mirror) Machine() (string, error) {
	path := filepath.Join(m.Dir, "token")
	token, err := os.ReadFile(path)
	if err != nil || len(token) == 0 {
		id, err := os.ReadFile("/proc/sys/kernel/random/uuid")
		if err != nil {
			return "", fmt.Errorf("cannot draw a token: %w", err)
		}
		token = id
		if err := renameio.WriteFile(path, token, 0o600); err != nil {
			return "", fmt.Errorf("cannot write %s: %w", path, bounded.Reason(err))
		}
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("cannot tell this boot from another: %w", err)
	}
	return strings.TrimSpace(string(token)) + "/" + strings.TrimSpace(string(boot)), nil
}

// Texts are those of the current generation.
func (m *Mirror) Texts(ctx context.Context) (Texts, error) {
	t, err := Directory(m.Specs()).Texts(ctx)
	t.Generation, _ = m.Current()
	return t, err
}
