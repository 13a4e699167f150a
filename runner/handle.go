package runner

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
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

// Handle is a live master, proved to be the one of its record. Its methods
// speak to the master's control socket and fail with an error that names app
// and pid where it does not answer.
type Handle struct {
	Record
	dir string // <state>/apps/<app>
}

// StartOptions is what StartMaster needs.
type StartOptions struct {
	Spec       *appspec.Spec
	StateDir   string
	Generation int
	// Listeners are open listening sockets by their listen string; those of the
	// spec that are missing here are opened by StartMaster. The files stay the
	// caller's.
	Listeners map[string]*os.File
	// Foreground keeps the master a child that logs to our standard error
	// instead of a daemon (wsgid --no-daemon).
	Foreground bool
}

var errNotBuilt = errors.New("not built yet")

// StartMaster starts a master for the spec and returns when its control socket
// answers, which is before its first worker is ready: wait for that with
// Handle.Wait. An error names what cannot be opened (port taken, no such
// interpreter, no such user).
func StartMaster(ctx context.Context, o StartOptions) (*Handle, error) { return nil, errNotBuilt }

// FindMasters returns the live masters of an app, newest first, draining ones
// last. Records of dead processes are removed. No record is an empty list.
func FindMasters(stateDir, app string) ([]*Handle, error) { return nil, errNotBuilt }

// Status asks for the state. With since > 0 it waits until Version is greater
// than since, or ctx ends.
func (h *Handle) Status(ctx context.Context, since uint64) (Status, error) {
	return Status{}, errNotBuilt
}

// Update hands over a new spec whose changes are at most Rolling. With rolling
// the workers are replaced, new ones first. It returns when the master has
// taken the spec over, not when the rollout is done.
func (h *Handle) Update(ctx context.Context, spec *appspec.Spec, generation int, rolling bool) error {
	return errNotBuilt
}

// Reload replaces all workers, new ones first.
func (h *Handle) Reload(ctx context.Context) error { return errNotBuilt }

// Scale sets the numbers of workers until the next Update.
func (h *Handle) Scale(ctx context.Context, minimum, maximum int) error { return errNotBuilt }

// Retry makes a worker that waits for its back-off start at once.
func (h *Handle) Retry(ctx context.Context) error { return errNotBuilt }

// Drain makes the master stop accepting, finish what it has accepted and end.
// With a successor it hands its idle connections to that master. Drain returns
// at once; Done tells the end.
func (h *Handle) Drain(ctx context.Context, successor *Handle) error { return errNotBuilt }

// Listeners fetches duplicates of the master's listening sockets by their
// listen string. The caller closes them.
func (h *Handle) Listeners(ctx context.Context) (map[string]*os.File, error) {
	return nil, errNotBuilt
}

// Wait blocks until the process is gone or ctx ends.
func (h *Handle) Wait(ctx context.Context) error { return errNotBuilt }

// Kill ends the master and its workers at once (SIGKILL through a pidfd).
func (h *Handle) Kill() error { return errNotBuilt }

// Digest names what a spec says, secrets included: equal digests, equal specs.
func Digest(spec *appspec.Spec) string { return "" }

// Main runs the part of the program that this process was re-executed for, if
// any, and then does not return. Both binaries call it first.
func Main() {}
