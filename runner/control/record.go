package control

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/renameio/v2"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// Record is what a master writes of itself into the state directory,
// <state>/apps/<app>/master-<pid>.json.
type Record struct {
	App        string    `json:"app"`
	PID        int       `json:"pid"`
	StartTime  uint64    `json:"start_time"` // field 22 of /proc/PID/stat: proves that PID was not reused
	BootID     string    `json:"boot_id"`    // /proc/sys/kernel/random/boot_id
	Since      time.Time `json:"since"`
	Program    string    `json:"program"`
	Generation int       `json:"generation"`
	SpecDigest string    `json:"spec_digest"`
	Path       string    `json:"path"`     // the app folder
	Draining   bool      `json:"draining"` // it serves what it has and goes
}

// File is the record's place in the folder of its app's state.
func (r *Record) File(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("master-%d.json", r.PID))
}

// Write puts the record where FindMasters looks.
func (r *Record) Write(dir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot write record of master: %w", err)
	}
	if err := renameio.WriteFile(r.File(dir), append(b, '\n'), 0o600, renameio.WithTempDir(dir)); err != nil {
		return fmt.Errorf("cannot write record of master: %w", err)
	}
	return nil
}

// Remove takes the record and the control socket away.
func (r *Record) Remove(dir string) {
	_ = os.Remove(r.File(dir))
	_ = os.Remove(SocketPath(dir, r.PID))
}

// NewerThan tells whether the master was started after another one of this run of
// the kernel.
func (r *Record) NewerThan(other Record) bool { return r.Compare(&other) > 0 }

// Compare orders masters by their start. Clocks may be set back; the kernel's
// count of its own time is not.
func (r *Record) Compare(other *Record) int {
	return cmp.Or(cmp.Compare(r.StartTime, other.StartTime), r.Since.Compare(other.Since))
}

// Alive tells whether the process of the record still runs.
func (r *Record) Alive() bool {
	if r.PID <= 0 {
		return false
	}
	if boot := BootID(); boot != "" && r.BootID != "" && r.BootID != boot {
		return false
	}
	return appdir.ProcAlive(r.PID, r.StartTime)
}

// Intact tells whether the file of the record is there and is of this process. What
// cannot be read now stands.
func (r *Record) Intact(dir string) bool {
	b, err := os.ReadFile(r.File(dir))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	var is Record
	return json.Unmarshal(b, &is) == nil && is.App == r.App && is.PID == r.PID && is.StartTime == r.StartTime &&
		(is.BootID == r.BootID || r.BootID == "")
}

// BootID names the run of the kernel; empty: it could not be read now.
func BootID() string {
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
