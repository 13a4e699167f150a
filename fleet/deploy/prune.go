package deploy

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/source"
)

// trash is how the names of folders begin that wait for their removal, at the top of
// the app folder: renamed first, none of them is taken for a release or a virtualenv
// when it is half gone.
const trash = ".trash."

// prune puts the releases and virtualenvs aside that nobody needs any more. That it
// cannot is no failure of the deploy. All that takes long, a release of many files,
// is left to Sweep.
func (d *Deployer) prune() (note string) {
	if err := d.earliers().Err; err != nil {
		return err.Error()
	}
	book := append([]*Entry{d.entry}, d.earliers().All...)
	inUse := d.InUse()
	if cur, before, _, err := d.Book.Current(); err == nil {
		for _, r := range []*Record{cur, before} {
			if r != nil {
				inUse = append(inUse, r.ID)
			}
		}
	}
	gone := prunable(book, d.Spec.Deploy.Keep, inUse)
	// Before the folders go: no rollback is to lead to one that is not there. What a
	// kill leaves between the two is found below.
	for _, e := range book {
		if slices.Contains(gone, e.Release) && e.Kind == KindDeploy {
			e.Pruned = true
			if err := d.Book.Save(e); err != nil {
				return err.Error()
			}
		}
	}
	if err := d.putAside(book, inUse); err != nil {
		return err.Error()
	}
	d.Book.Forget(book)
	if d.Sweep != nil {
		d.Sweep()
	} else if err := EmptyTrash(d.Spec.Path); err != nil {
		return err.Error()
	}
	if len(gone) == 0 {
		return "nothing to remove"
	}
	return "removed " + strings.Join(gone, ", ")
}

// putAside renames what the logbook does not name as needed.
func (d *Deployer) putAside(book []*Entry, inUse []string) error {
	app, err := openApp(d.Spec.Path)
	if err != nil {
		return err
	}
	defer app.Close()
	releases, venvs := unneeded(book, inUse, namesIn(app, "releases"), namesIn(app, "venvs"))
	for i, name := range append(releases, venvs...) {
		to := fmt.Sprintf("%s%s.%d", trash, d.entry.ID, i)
		err := app.Rename(name, to)
		if errors.Is(err, fs.ErrPermission) { // it is closed, and we are not root
			_ = app.Chmod(name, 0o700)
			err = app.Rename(name, to)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot put %s of the app folder aside: %w", name, err)
		}
	}
	return nil
}

// unneeded chooses among the names in the folders of releases and virtualenvs: the
// releases whose entry says that they are removed, the virtualenvs that no release is
// left for. A name that no deploy has given is somebody else's. It is pure.
func unneeded(book []*Entry, inUse, releases, venvs []string) (oldReleases, oldVenvs []string) {
	pruned, needed := map[string]bool{}, map[string]bool{}
	for _, e := range book {
		switch {
		case e.Kind != KindDeploy: // of a release that has an entry of its own
		case e.Pruned && !slices.Contains(inUse, e.Release):
			pruned[e.Release] = true
		default:
			needed[e.Virtualenv] = true
		}
	}
	for _, r := range releases {
		if pruned[r] {
			oldReleases = append(oldReleases, path.Join("releases", r))
		}
	}
	for _, v := range venvs {
		if b, err := hex.DecodeString(v); err == nil && len(b) == 16 && !needed[path.Join("venvs", v)] {
			oldVenvs = append(oldVenvs, path.Join("venvs", v))
		}
	}
	return oldReleases, oldVenvs
}

// namesIn lists a folder; what cannot be read has nothing that could be removed.
func namesIn(app *os.Root, dir string) []string {
	f, err := app.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	return names
}

// HasTrash tells whether something in an app folder waits for its removal.
func HasTrash(folder string) bool {
	app, err := openApp(folder)
	if err != nil {
		return false
	}
	defer app.Close()
	return len(trashIn(app)) > 0
}

func trashIn(app *os.Root) []string {
	return slices.DeleteFunc(namesIn(app, "."), func(n string) bool { return !strings.HasPrefix(n, trash) })
}

// EmptyTrash removes what prunes have put aside in an app folder, also where one
// before has come to half of it. It may run beside a deploy, and beside itself.
func EmptyTrash(folder string) error {
	app, err := openApp(folder)
	if err != nil {
		return err
	}
	defer app.Close()
	var failed []error
	for _, name := range trashIn(app) {
		failed = append(failed, source.Remove(app, name))
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("cannot remove old releases in %s: %w", folder, err)
	}
	return nil
}

// openApp opens an app folder.
func openApp(folder string) (*os.Root, error) {
	app, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("cannot open the app folder: %w", err)
	}
	return app, nil
}
