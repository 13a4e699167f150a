package reconcile

import (
	"errors"
	"fmt"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
)

// FolderLimit is how long one look at an app folder may take. Where its disk hangs,
// that app is told to be so, and others go on.
const FolderLimit = 10 * time.Second

// TimedFolders are folders that answer in time. What is given up goes on behind the
// back: until it has come to its end, no further look at that folder begins.
type TimedFolders struct {
	Folders
	disk *bounded.Fs
}

// NewTimedFolders bounds what folders do by the limit of a disk.
func NewTimedFolders(folders Folders, disk *bounded.Fs) TimedFolders {
	return TimedFolders{folders, disk}
}

// Check implements Folders.
func (t TimedFolders) Check(spec *appspec.Spec, live func(pid int) bool) ([]string, error) {
	out, err := bounded.Within(t.disk, "check", spec.Path, func() ([]string, error) { return t.Folders.Check(spec, live) })
	return out, late("check", spec, err)
}

// Repair implements Folders.
func (t TimedFolders) Repair(spec *appspec.Spec, live func(pid int) bool) error {
	_, err := bounded.Within(t.disk, "repair", spec.Path, func() (struct{}, error) { return struct{}{}, t.Folders.Repair(spec, live) })
	return late("repair", spec, err)
}

// How long a step may hold the place of others that could work: what looks at files,
// and a start, which works itself for a while.
const (
	LookPatience  = 100 * time.Millisecond
	startPatience = 2 * time.Second
)

// patiently waits for work that a disk may hold up; from the patience on as idle does,
// so that others go on meanwhile.
func patiently(idle func(func()), patience time.Duration, work func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		work()
	}()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
		idle(func() { <-done })
	}
}

func late(verb string, spec *appspec.Spec, err error) error {
	if errors.Is(err, bounded.ErrNoAnswer) {
		return fmt.Errorf("cannot %s app folder %s: %w", verb, spec.Path, bounded.ErrNoAnswer)
	}
	return err
}
