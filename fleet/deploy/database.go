package deploy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/database"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// urlVariable is what an app finds its database by.
const urlVariable = "DATABASE_URL"

// database makes the app's database where it is not there. The stages that follow,
// and the workers of the release, are told of it.
func (d *Deployer) database(ctx context.Context) (note, output string, err error) {
	var c database.Connection
	switch d.Spec.Database.Engine {
	case database.SQLite:
		c, err = d.sqlite()
	default:
		c, note, err = d.postgresql(ctx)
	}
	if err != nil {
		return "", "", err
	}
	django, err := d.isDjango()
	if err != nil {
		return "", "", err
	}
	theirs := c
	if d.Spec.Chroot && c.Engine == database.SQLite {
		theirs.Name = strings.TrimPrefix(c.Name, path.Clean(d.Spec.Path))
	}
	d.made = madeOf(theirs, django)
	spec := *d.Spec
	spec.Made = madeOf(c, django)
	d.Spec = &spec
	if d.Learn != nil {
		d.Learn(d.Spec)
	}
	if _, said := d.Spec.Env[urlVariable]; said {
		note = strings.TrimPrefix(note+", "+urlVariable+" is the one set in env of the spec", ", ")
	}
	return note, "", nil
}

func (d *Deployer) sqlite() (database.Connection, error) {
	folder, err := appdir.Open(d.Spec.Path)
	if err != nil {
		return database.Connection{}, err
	}
	defer folder.Close()
	var owner *appdir.Owner
	if os.Geteuid() == 0 {
		owner = &d.Owner
	}
	return database.MakeSQLite(*d.Spec.Database, folder, owner)
}

func (d *Deployer) postgresql(ctx context.Context) (database.Connection, string, error) {
	role := d.Spec.Database.Owner
	password, err := d.Book.password(role)
	if err != nil {
		return database.Connection{}, "", err
	}
	m := database.Maker{Spec: *d.Spec.Database, App: childOf(d.Owner), Chroot: d.Spec.Chroot, Remembered: password,
		Save: func(password string) error { return d.Book.setPassword(role, password) }, Agree: d.Agree}
	made, err := m.Make(ctx)
	return made.Connection, made.Note, err
}

// madeOf is what an app is told of its database.
func madeOf(c database.Connection, django bool) *appspec.Made {
	m := &appspec.Made{Env: map[string]string{urlVariable: c.URL()}}
	if django {
		m.Django = map[string]any{"DATABASES": map[string]any{"default": c.Django()}}
	}
	if c.Password != "" {
		m.Secrets = []string{c.URL(), c.Password}
	}
	return m
}

// isDjango tells whether django.json is for this app: by its spec, or by a manage.py
// of the release, at its top or in a folder of it.
func (d *Deployer) isDjango() (bool, error) {
	if d.Spec.Django != nil || d.Spec.Loader == "django" {
		return true, nil
	}
	tree, err := d.open("releases/" + d.entry.Release)
	if err != nil {
		return false, err
	}
	defer tree.Close()
	for _, pattern := range []string{"manage.py", "*/manage.py", "*/*/manage.py"} {
		names, _ := fs.Glob(tree.FS(), pattern)
		for _, name := range names {
			f, err := tree.Open(name)
			if err != nil {
				continue
			}
			text, _ := io.ReadAll(io.LimitReader(f, 64<<10))
			_ = f.Close()
			if bytes.Contains(text, []byte("DJANGO_SETTINGS_MODULE")) {
				return true, nil
			}
		}
	}
	return false, nil
}

// passwordsFile of a logbook's folder holds the passwords of roles that were made.
const passwordsFile = "database.json"

type passwords struct {
	Roles map[string]string `json:"roles"`
}

// password is what was made for a role of this app; empty: none was.
func (b *Book) password(role string) (string, error) {
	p, err := b.passwords()
	return p.Roles[role], err
}

func (b *Book) passwords() (p passwords, err error) {
	if err = b.read(passwordsFile, &p); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return p, err
}

// setPassword keeps a role's password, before anybody else hears of it.
func (b *Book) setPassword(role, password string) error {
	p, err := b.passwords()
	if err != nil {
		return err
	}
	if p.Roles == nil {
		p.Roles = map[string]string{}
	}
	p.Roles[role] = password
	return b.write(passwordsFile, p)
}
