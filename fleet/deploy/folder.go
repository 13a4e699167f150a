package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// What follows changes the app folder. It is done as the app's user, so that no link that
// the app may have planted there leads root anywhere.

const folderLimit = 10 * time.Minute

func (a account) shell(ctx context.Context, dir, script string, args ...string) error {
	return a.script(ctx, child.Command{Dir: dir}, script, args)
}

// quickly is shell for what takes an instant.
func (a account) quickly(ctx context.Context, dir, script string, args ...string) error {
	return a.script(ctx, child.Command{Dir: dir, Quick: true}, script, args)
}

func (a account) script(ctx context.Context, c child.Command, script string, args []string) error {
	c.Args = append([]string{"/bin/sh", "-euc", script, "deploy"}, args...)
	ended, err := a.run(ctx, folderLimit, c)
	if err == nil {
		return nil
	}
	if lines := strings.Split(strings.TrimSpace(ended.Output), "\n"); lines[len(lines)-1] != "" {
		return fmt.Errorf("%s", strings.TrimPrefix(lines[len(lines)-1], "deploy: "))
	}
	return err
}

// mayChange looks whether the app's user can change the folders that a deploy changes: where
// the spec has got another user since they were made, they are the one's before. The kernel is
// asked as that user, and nothing is written.
func (a account) mayChange(app string) error {
	return a.inside(app, func(folder *os.Root) error {
		for _, name := range []string{".", "repository", "releases", "venvs", "shared"} {
			f, err := folder.OpenFile(name, unix.O_PATH|unix.O_DIRECTORY, 0)
			if err == nil {
				err = unix.Faccessat(int(f.Fd()), ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS)
				_ = f.Close()
			}
			if !errors.Is(err, fs.ErrPermission) {
				continue // what else it may be is told where it is met
			}
			return fmt.Errorf("%s, the user of the app, cannot write to %s, which belongs to %s: give it the app folder with all that is in it: chown -R %s: %s",
				a.owner.Name, filepath.Join(app, name), folderOwner(folder, name), a.owner.Name, app)
		}
		return nil
	})
}

// folderOwner is the name of whom a folder belongs to.
func folderOwner(folder *os.Root, name string) string {
	fi, err := folder.Stat(name)
	if err != nil {
		return "another user"
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return "another user"
	}
	return appdir.UserName(int(st.Uid))
}

// makeFolders makes the folders of a deploy below an app folder.
func (a account) makeFolders(ctx context.Context, app string) error {
	if haveFolders(app) {
		return nil
	}
	if err := a.quickly(ctx, app, `umask 022; mkdir -p releases venvs shared`); err != nil {
		return fmt.Errorf("cannot make the folders of releases in %s: %w", app, err)
	}
	return nil
}

// haveFolders tells whether the folders of a deploy are there, as they are from the
// second deploy on: a look costs less than two programs.
func haveFolders(app string) bool {
	root, err := openApp(app)
	if err != nil {
		return false
	}
	defer root.Close()
	for _, name := range []string{"releases", "venvs", "shared"} {
		if fi, err := root.Lstat(name); err != nil || !fi.IsDir() {
			return false
		}
	}
	return true
}

// share links what outlives releases into one of them. What the tree brings in
// such a place goes to shared/ the first time, and away later on.
func (a account) share(ctx context.Context, app, release, name string) error {
	up := strings.Repeat("../", strings.Count(path.Clean(name), "/")+2)
	at, to := release+"/"+name, "shared/"+name
	err := a.inside(app, func(folder *os.Root) error {
		if _, err := folder.Stat(to); err != nil {
			return errNotShared
		}
		if err := folder.MkdirAll(path.Dir(at), 0o755); err != nil {
			return err
		}
		if err := folder.RemoveAll(at); err != nil {
			return err
		}
		return folder.Symlink(up+to, at)
	})
	if errors.Is(err, errNotShared) {
		err = a.shareFirst(ctx, app, release, name, up+to)
	}
	if err != nil {
		return fmt.Errorf("cannot link %s of the release to shared/%s: %w", name, name, err)
	}
	return nil
}

// errNotShared says that a place below shared/ is to be made.
var errNotShared = errors.New("not shared yet")

// shareFirst makes the place of what is shared, of what the release brings there if it
// does. That may be large: it is copied by a program that can be ended.
func (a account) shareFirst(ctx context.Context, app, release, name, target string) error {
	return a.shell(ctx, app, `umask 022
	to=shared/$2 at=$1/$2
	mkdir -p "$(dirname "$at")" "$(dirname "$to")"
	if [ ! -e "$to" ]; then
		if [ -e "$at" ]; then cp -R -P -p -- "$at" "$to"; else mkdir -- "$to"; fi
	fi
	rm -rf -- "$at"
	ln -s -- "$3" "$at"`, release, name, target)
}

// inside runs f with the app folder, as the app's user: no program is started for what
// takes an instant.
func (a account) inside(app string, f func(folder *os.Root) error) error {
	as := childOf(a.owner)
	if err := as.Check(); err != nil {
		return err
	}
	var err error
	if ierr := as.Impersonate("change "+app, func() {
		var folder *os.Root
		if folder, err = openApp(app); err == nil {
			defer folder.Close()
			err = f(folder)
		}
	}); ierr != nil {
		return ierr
	}
	return err
}

// switchTo points the link app to a release. A folder app/ that was there before
// the first deploy is kept under another name; an empty one goes.
func (a account) switchTo(app, release string) error {
	err := a.inside(app, func(folder *os.Root) error {
		if fi, err := folder.Lstat("app"); err == nil && fi.IsDir() {
			if err := putAway(folder); err != nil {
				return err
			}
		}
		const next = ".app.new"
		if err := folder.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := folder.Symlink(release, next); err != nil {
			return err
		}
		return folder.Rename(next, "app")
	})
	if err != nil {
		return fmt.Errorf("cannot switch the link %s/app to %s: %w", app, release, err)
	}
	return nil
}

// putAway makes way where the folder app is.
func putAway(folder *os.Root) error {
	if folder.Remove("app") == nil {
		return nil
	}
	to := "app.before-deploy"
	for {
		_, err := folder.Lstat(to)
		if errors.Is(err, fs.ErrNotExist) {
			return folder.Rename("app", to)
		}
		if err != nil {
			return err
		}
		to += ".1"
	}
}

// Switch points the link app of a folder to a release, as the app's user.
func Switch(owner appdir.Owner, app, release string) error {
	return account{owner: owner}.switchTo(app, "releases/"+release)
}
