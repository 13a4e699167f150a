package deploy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/source"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// childOf is whom git, pip and the stages run as. As an ordinary user everything
// runs as that one.
func childOf(o appdir.Owner) *child.Account {
	if os.Geteuid() != 0 {
		return nil
	}
	return &child.Account{UID: o.UID, GID: o.GID, Groups: o.Groups, Home: o.Home, Name: o.Name}
}

func (d *Deployer) repository() source.Repository {
	s := d.Spec.Deploy
	r := source.Repository{URL: s.Repository, Branch: s.Branch, Commit: s.Commit, SSHKey: s.SSHKey,
		KnownHosts: s.KnownHosts, Submodules: s.Submodules, LFS: s.LFS}
	if d.Ref != "" {
		r.Commit = d.Ref
		if d.Ref == "HEAD" {
			r.Commit = ""
		}
	}
	return r
}

func (d *Deployer) store() *source.Store {
	return &source.Store{Dir: filepath.Join(d.Spec.Path, "repository"), Account: childOf(d.Owner),
		Limits: source.Limits{Time: d.Spec.Deploy.Timeout.D()}}
}

func (d *Deployer) fetch(ctx context.Context) (note, output string, err error) {
	c, err := d.store().Fetch(ctx, d.repository())
	if err != nil {
		return "", outputOf(err), err
	}
	d.commit.Close()
	d.commit, d.entry.Commit = c, c.ID
	note = fmt.Sprintf("%s is %s", c.Ref, appspec.ShortCommit(c.ID))
	if c.Subject != "" {
		note += fmt.Sprintf(", %q", c.Subject)
	}
	return note, "", nil
}

func (d *Deployer) unpack(ctx context.Context) (note string, err error) {
	releases, err := d.open("releases")
	if err != nil {
		return "", err
	}
	defer releases.Close()
	u, err := d.store().Unpack(ctx, d.repository(), d.commit, d.Spec.Deploy.Directory, releases, d.entry.Release)
	if err != nil {
		return "", err
	}
	return unpackedNote(u), nil
}

// unpackedNote is what the logbook has of a release, and what its maker may not know of it.
func unpackedNote(u source.Unpacked) string {
	note := words.Count(u.Files, "file")
	if len(u.Skipped) > 0 {
		note += ", without the submodules " + strings.Join(u.Skipped, ", ") + " (submodules = true brings them)"
	}
	if n := len(u.Encrypted); n > 0 {
		note += fmt.Sprintf(", %d of them encrypted by git-crypt (%q), whose key no deploy has: bring what is in them as secrets of the spec, env = { NAME = file(\"secrets/NAME\") }", n, u.Encrypted[0])
	}
	return note
}

// open opens a folder below the app folder: no link in there leads out of it.
func (d *Deployer) open(name string) (*os.Root, error) {
	app, err := openApp(d.Spec.Path)
	if err != nil {
		return nil, err
	}
	defer app.Close()
	proved, err := app.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s of the app folder: %w", name, err)
	}
	defer proved.Close()
	// What is opened by its whole path has that for a name, which programs are
	// told; it must be the same folder.
	folder, err := os.OpenRoot(filepath.Join(d.Spec.Path, name))
	if err != nil {
		return nil, fmt.Errorf("cannot open %s of the app folder: %w", name, err)
	}
	is, err := folder.Stat(".")
	should, perr := proved.Stat(".")
	if err = errors.Join(err, perr); err == nil && !os.SameFile(is, should) {
		err = errors.New("a link points elsewhere")
	}
	if err != nil {
		_ = folder.Close()
		return nil, fmt.Errorf("cannot use %s of the app folder: %w", name, err)
	}
	return folder, nil
}

// python is the interpreter that the release is compiled with.
func (d *Deployer) python() string { return d.pythonOf(d.entry.Virtualenv) }

func (d *Deployer) pythonOf(virtualenv string) string {
	if venv := d.venvOf(virtualenv); venv != "" {
		return filepath.Join(venv, "bin", "python")
	}
	python, err := d.base()
	if err != nil {
		return appdir.DefaultPython // it fails there, and says so
	}
	return python
}

// base is the interpreter that workers would run on without a virtualenv: whatever
// PATH says here, the release is made for that one.
func (d *Deployer) base() (string, error) {
	plain := *d.Spec
	plain.Virtualenv = ""
	return appdir.ResolvePython(&plain)
}

// outputOf is what a program printed that failed.
func outputOf(err error) string {
	if e, ok := errors.AsType[*child.Error](err); ok {
		return e.Output
	}
	return ""
}
