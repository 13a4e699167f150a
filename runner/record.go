package runner

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/google/renameio/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

func (r *Record) file(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("master-%d.json", r.PID))
}

// pidOfRecord is the process that a record's name tells; 0: none.
func pidOfRecord(name string) int {
	digits := strings.TrimSuffix(strings.TrimPrefix(name, "master-"), ".json")
	if pid, err := strconv.Atoi(digits); err == nil && strconv.Itoa(pid) == digits {
		return pid
	}
	return 0
}

// write puts the record where FindMasters looks.
func (r *Record) write(dir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot write record of master: %w", err)
	}
	if err := renameio.WriteFile(r.file(dir), append(b, '\n'), 0o600, renameio.WithTempDir(dir)); err != nil {
		return fmt.Errorf("cannot write record of master: %w", err)
	}
	return nil
}

// remove takes the record and the control socket away.
func (r *Record) remove(dir string) {
	_ = os.Remove(r.file(dir))
	_ = os.Remove(controlPath(dir, r.PID))
}

// NewerThan tells whether the master was started after another one of this run of
// the kernel.
func (r *Record) NewerThan(other Record) bool { return r.compare(&other) > 0 }

// compare orders masters by their start. Clocks may be set back; the kernel's
// count of its own time is not.
func (r *Record) compare(other *Record) int {
	return cmp.Or(cmp.Compare(r.StartTime, other.StartTime), r.Since.Compare(other.Since))
}

// alive tells whether the process of the record still runs.
func (r *Record) alive() bool {
	if r.PID <= 0 {
		return false
	}
	if boot := bootID(); boot != "" && r.BootID != "" && r.BootID != boot {
		return false
	}
	return appdir.ProcAlive(r.PID, r.StartTime)
}

// FindMasters returns the live masters of an app, newest first, draining ones
// last. Records of dead processes are removed; a live master whose record is damaged is
// found by its process, without what the record told of it. No record is an empty list.
func FindMasters(stateDir, app string) ([]*Handle, error) {
	dir := appDir(stateDir, app)
	// (filepath.Glob would take a folder that cannot be read for an empty one.)
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("cannot look for masters of %s: %w", app, err)
	}
	var found []*Handle
	for _, e := range entries {
		if ok, _ := filepath.Match("master-*.json", e.Name()); !ok {
			continue
		}
		name := filepath.Join(dir, e.Name())
		b, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot look for masters of %s: %w", app, err)
		}
		h := &Handle{dir: dir}
		read := json.Unmarshal(b, &h.Record) == nil && h.App == app && e.Name() == filepath.Base(h.file(dir))
		if !read || !h.alive() {
			// A record may be damaged: the process has the last word.
			proved, err := proveMaster(stateDir, pidOfRecord(e.Name()))
			switch {
			case err != nil:
				return nil, fmt.Errorf("cannot look for masters of %s: %w", app, err)
			case proved != nil && proved.App == app:
				h = proved
			case read:
				h.remove(dir)
				continue
			default:
				continue // not a record; never ours to remove
			}
		}
		found = append(found, h)
	}
	slices.SortFunc(found, func(a, b *Handle) int {
		switch {
		case a.Draining != b.Draining && b.Draining:
			return -1
		case a.Draining != b.Draining:
			return 1
		default:
			return b.compare(&a.Record)
		}
	})
	return found, nil
}

// bootID names the run of the kernel; empty: it could not be read now.
func bootID() string {
	if id := readBootID.Load(); id != nil {
		return *id
	}
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	id := strings.TrimSpace(string(b))
	readBootID.Store(&id)
	return id
}

var readBootID atomic.Pointer[string]

// Digest names what a spec says, secrets included: equal digests, equal specs.
// Where the spec was written does not count.
func Digest(spec *appspec.Spec) string {
	s := *spec
	s.File, s.Environment = "", ""
	b, err := json.Marshal(&s)
	if err != nil {
		return "unknown"
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
