package database

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// sharedDir of the app folder outlives releases.
const sharedDir = "shared"

// MakeSQLite makes the file of a sqlite database where it is not there, with its
// folders, and gives them to the app's user (nil: this process's). A file that is
// there is left as it is.
func MakeSQLite(spec appspec.Database, folder *appdir.RootFs, owner *appdir.Owner) (Connection, error) {
	name := path.Join(sharedDir, spec.Name)
	c := Connection{Engine: SQLite, Name: appdir.Join(folder.Path(), name)}
	fail := func(err error) (Connection, error) {
		return Connection{}, fmt.Errorf("cannot make sqlite database %s: %w", c.Name, err)
	}
	if !fs.ValidPath(spec.Name) || spec.Name == "." {
		return fail(errors.New("its path points outside shared/; write a path below it"))
	}
	give := func(name string) error {
		if owner == nil {
			return nil
		}
		return folder.Chown(name, owner.UID, owner.GID)
	}
	if err := makeFolders(folder, path.Dir(name), give); err != nil {
		return fail(err)
	}
	switch fi, _, err := folder.LstatIfPossible(name); {
	case err == nil && fi.Mode().IsRegular():
		return c, nil
	case err == nil:
		return fail(fmt.Errorf("something other than a file exists there (%s); move it away", fi.Mode().Type()))
	case !errors.Is(err, fs.ErrNotExist):
		return fail(err)
	}
	f, err := folder.OpenRegular(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	switch {
	case errors.Is(err, fs.ErrExist): // the app was faster
		return c, nil
	case err != nil:
		return fail(err)
	}
	if err := errors.Join(f.Chmod(0o640), f.Close(), give(name)); err != nil {
		return fail(err)
	}
	return c, nil
}

// makeFolders makes a folder and those above it, each given to the app's user if
// it was not there.
func makeFolders(folder *appdir.RootFs, name string, give func(string) error) error {
	if name == "." {
		return nil
	}
	if err := makeFolders(folder, path.Dir(name), give); err != nil {
		return err
	}
	switch err := folder.Mkdir(name, 0o755); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return give(name)
}
