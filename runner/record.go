package runner

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func (r *Record) file(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("master-%d.json", r.PID))
}

// write puts the record where FindMasters looks.
func (r *Record) write(dir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot write record of master: %w", err)
	}
	if err := renameio.WriteFile(r.file(dir), append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("cannot write record of master: %w", err)
	}
	return nil
}

// remove takes the record and the control socket away.
func (r *Record) remove(dir string) {
	_ = os.Remove(r.file(dir))
	_ = os.Remove(controlPath(dir, r.PID))
}

// alive tells whether the process of the record still runs.
func (r *Record) alive() bool {
	if r.PID <= 0 || r.BootID != bootID() {
		return false
	}
	start, err := processStart(r.PID)
	return err == nil && start == r.StartTime
}

// FindMasters returns the live masters of an app, newest first, draining ones
// last. Records of dead processes are removed. No record is an empty list.
func FindMasters(stateDir, app string) ([]*Handle, error) {
	dir := appDir(stateDir, app)
	names, err := filepath.Glob(filepath.Join(dir, "master-*.json"))
	if err != nil {
		return nil, fmt.Errorf("cannot look for masters of %s: %w", app, err)
	}
	var found []*Handle
	for _, name := range names {
		b, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot look for masters of %s: %w", app, err)
		}
		h := &Handle{dir: dir}
		if err := json.Unmarshal(b, &h.Record); err != nil || h.App != app {
			continue // not a record; never ours to remove
		}
		if !h.alive() {
			h.remove(dir)
			continue
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
			return b.Since.Compare(a.Since)
		}
	})
	return found, nil
}

// processStart is field 22 of /proc/PID/stat: when the process started, in
// ticks since boot. With the boot's id it names a process for ever.
func processStart(pid int) (uint64, error) {
	f, err := statFields(pid)
	if err != nil {
		return 0, fmt.Errorf("cannot identify process %d: %w", pid, err)
	}
	if f[0] == "Z" || f[0] == "X" {
		return 0, fmt.Errorf("cannot identify process %d: it has ended", pid)
	}
	v, err := strconv.ParseUint(f[19], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cannot identify process %d: %w", pid, err)
	}
	return v, nil
}

// statFields returns the fields of /proc/PID/stat from the third, the state, on.
func statFields(pid int) ([]string, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil, err
	}
	// The second field, the name in parentheses, may hold anything.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 50 {
		return nil, fmt.Errorf("/proc/%d/stat is too short", pid)
	}
	return f, nil
}

// zombieStatus is how a process ended that nobody has reaped yet: field 52 of
// /proc/PID/stat.
func zombieStatus(pid int) (unix.WaitStatus, bool) {
	f, err := statFields(pid)
	if err != nil || f[0] != "Z" {
		return 0, false
	}
	code, err := strconv.ParseUint(f[49], 10, 32)
	return unix.WaitStatus(code), err == nil
}

// bootID names the run of the kernel.
var bootID = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
})

// Digest names what a spec says, secrets included: equal digests, equal specs.
// Where the spec was written does not count.
func Digest(spec *appspec.Spec) string {
	s := *spec
	s.File = ""
	b, err := json.Marshal(&s)
	if err != nil {
		return "unknown"
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
