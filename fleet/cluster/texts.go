package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
)

// Texts are the spec files of one generation, by their names.
type Texts struct {
	Generation int64
	Files      map[string][]byte
}

// Source is where the texts of specs come from.
type Source interface {
	// Texts reads all of them. An error means that nothing is known: whoever follows
	// the source keeps what it has.
	Texts(ctx context.Context) (Texts, error)
	// Watch calls hint when there may be others, until ctx ends. A hint may come for
	// nothing, and one may be lost: who must know asks for the texts now and then.
	Watch(ctx context.Context, hint func())
}

// Names are the names of the files, sorted.
func (t Texts) Names() []string {
	names := make([]string, 0, len(t.Files))
	for n := range t.Files {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Digest names what the files say; equal digests, equal files.
func (t Texts) Digest() string {
	h := sha256.New()
	for _, n := range t.Names() {
		fmt.Fprintf(h, "%d:%s%d:", len(n), n, len(t.Files[n]))
		h.Write(t.Files[n])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Directory is a source: the spec files of a folder. Its generation is always 0.
type Directory string

// MaxText is the largest spec file that goes through etcd, in bytes: one message to it
// is at most 1.5 MiB.
const MaxText = 1 << 20

// Texts reads the files that are specs by their names.
func (d Directory) Texts(context.Context) (Texts, error) {
	es, err := os.ReadDir(string(d))
	if err != nil {
		return Texts{}, fmt.Errorf("cannot read spec directory %s: %w", string(d), err)
	}
	t := Texts{Files: map[string][]byte{}}
	for _, e := range es {
		if !hclspec.IsSpecFile(e.Name()) {
			continue
		}
		path := filepath.Join(string(d), e.Name())
		fi, err := os.Stat(path)
		if err != nil {
			return Texts{}, fmt.Errorf("cannot read spec file %s: %w", path, err)
		}
		if !fi.Mode().IsRegular() {
			return Texts{}, fmt.Errorf("cannot read spec file %s: it is not a regular file", path)
		}
		if fi.Size() > MaxText {
			return Texts{}, fmt.Errorf("cannot read spec file %s: it has %d bytes, and at most %d go through etcd; divide it", path, fi.Size(), MaxText)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return Texts{}, fmt.Errorf("cannot read spec file %s: %w", path, err)
		}
		t.Files[e.Name()] = b
	}
	return t, nil
}

// Write puts the texts into a folder, which is made. Files that are there already and
// say something else are left, and named in the error.
func (t Texts) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make %s: %w", dir, err)
	}
	var differ []string
	for _, n := range t.Names() {
		old, err := os.ReadFile(filepath.Join(dir, n))
		if err == nil && string(old) != string(t.Files[n]) {
			differ = append(differ, n)
		}
	}
	if len(differ) > 0 {
		return fmt.Errorf("cannot write %s: it has different contents in %v; name an empty directory, or remove these files", dir, differ)
	}
	for _, n := range t.Names() {
		if err := os.WriteFile(filepath.Join(dir, n), t.Files[n], 0o600); err != nil {
			return fmt.Errorf("cannot write %s: %w", filepath.Join(dir, n), bounded.Reason(err))
		}
	}
	return nil
}
