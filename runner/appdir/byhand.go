package appdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// What the command wsgid needs of an app folder: it works on folders whose
// wsgid.json a person writes, which a repair must leave alone.

// Init makes the folders of the layout that are missing, and the app folder
// itself, and leaves what exists. What it makes belongs to the owner of the app
// folder. It returns the names it made.
func Init(fsys *RootFs) ([]string, error) {
	var made []string
	if _, err := fsys.Stat("/"); errors.Is(err, fs.ErrNotExist) {
		if err := fsys.Mkdir("/", DirMode); err != nil {
			return nil, err
		}
	}
	fi, err := fsys.Stat("/")
	if err != nil {
		return nil, fmt.Errorf("cannot create app folder %s: %w", fsys.Path(), explain(err, fsys.Path()))
	}
	st, _ := sysStat(fi)
	for _, d := range layout {
		name := "/" + d.name
		fi, err := fsys.Stat(name)
		if err == nil {
			if !fi.IsDir() && fi.Mode()&fs.ModeSymlink == 0 {
				return made, fmt.Errorf("cannot create folder %s: a file of that name exists; move it away (mv %s %s.old)",
					Join(fsys.Path(), name), Join(fsys.Path(), name), Join(fsys.Path(), name))
			}
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return made, fmt.Errorf("cannot create folder %s: %w", Join(fsys.Path(), name), explain(err, fsys.Path()))
		}
		err = fsys.Mkdir(name, d.mode)
		if err == nil && st != nil && os.Geteuid() == 0 {
			err = fsys.Chown(name, int(st.Uid), int(st.Gid))
		}
		if err == nil {
			err = fsys.Chmod(name, d.mode)
		}
		if err != nil {
			return made, fmt.Errorf("cannot create folder %s: %w", Join(fsys.Path(), name), explain(err, fsys.Path()))
		}
		made = append(made, d.name)
	}
	return made, nil
}

// RepairFolders is Repair without wsgid.json and django.json.
func RepairFolders(fsys afero.Fs, spec *appspec.Spec, owner Owner, live func(pid int) bool) ([]Problem, error) {
	r := newRepair(fsys, spec, owner, live)
	if immutable(fsys, spec) {
		return r.run(r.complete)
	}
	return r.run(r.folder, r.folders, r.leftovers, r.pidFiles)
}

// LoadConfig reads the wsgid.json of an app folder; a missing one is empty. An
// ordinary user's may be a symbolic link, as a deployment makes it.
func LoadConfig(fsys *RootFs) (*Config, error) {
	path := Join(fsys.Path(), ConfigFile)
	data, err := readFile(fsys, "/"+ConfigFile)
	if fi, serr := fsys.Stat(ConfigFile); serr == nil && fi.Mode()&fs.ModeSymlink != 0 {
		if os.Geteuid() == 0 {
			return nil, fmt.Errorf("cannot read %s: it is a symbolic link, and root follows none in an app folder; put the file itself there", path)
		}
		data, err = readLinked(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read %s: %w", path, explain(err, fsys.Path()))
	}
	return ParseConfig(path, data)
}

// Save writes the wsgid.json anew. It belongs to the owner of the app folder,
// mode 0640: it may hold secrets.
func (c *Config) Save(fsys *RootFs) error {
	data, err := c.JSON()
	if err != nil {
		return err
	}
	fi, err := fsys.Stat("/")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", c.path, explain(err, fsys.Path()))
	}
	if fi, err := fsys.Stat(ConfigFile); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
		to, _ := fsys.ReadlinkIfPossible(ConfigFile)
		return fmt.Errorf("cannot write %s: it is a symbolic link to %s; edit that file, or put the file itself there", c.path, to)
	}
	owner := Owner{UID: os.Geteuid(), GID: os.Getegid()}
	if st, ok := sysStat(fi); ok && os.Geteuid() == 0 {
		owner.UID, owner.GID = int(st.Uid), int(st.Gid)
	}
	if err := writeFile(fsys, ConfigFile, data, SecretMode, owner, true); err != nil {
		return fmt.Errorf("cannot write %s: %w", c.path, explain(err, fsys.Path()))
	}
	return nil
}

// LoadDjango reads the django.json of an app folder; nil where there is none.
func LoadDjango(fsys *RootFs) (map[string]any, error) {
	path := Join(fsys.Path(), DjangoFile)
	data, err := readFile(fsys, "/"+DjangoFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, explain(err, fsys.Path()))
	}
	return parseDjango(path, data)
}
