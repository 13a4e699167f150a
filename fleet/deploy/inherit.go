package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
)

// Inherit moves all that the logbook of another app has to this one, whose app that one was
// under its earlier name. What is killed on the way is done by the next one: what should serve
// moves last. A deploy of it that is under way writes where it began, and is not disturbed.
func (b *Book) Inherit(from *Book) error {
	unlock, err := from.Lock("app " + b.app + ", which takes over its deploys")
	if err != nil {
		return err
	}
	defer unlock()
	names, err := from.names()
	if err == nil {
		err = b.fs.MkdirAll(b.dir, 0o700)
	}
	for _, name := range append(names, passwordsFile, currentFile) {
		if err == nil {
			err = b.fs.Rename(filepath.Join(from.dir, name), filepath.Join(b.dir, name))
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		}
	}
	if err != nil {
		return fmt.Errorf("cannot move the logbook %s to %s: %w", from.dir, b.dir, bounded.Reason(err))
	}
	// Nobody looks for it by that name any more. Who waits for the lock sees that it is gone.
	_ = b.fs.Remove(filepath.Join(from.dir, lockFile))
	_ = b.fs.Remove(from.dir) // unless there is more in it
	return nil
}
