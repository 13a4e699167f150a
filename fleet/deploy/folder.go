package deploy

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// What follows changes the app folder. It is done by a shell of the app's user, so
// that no link that the app may have planted there leads root anywhere.

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
	err := a.shell(ctx, app, `umask 022
	to=shared/$2 at=$1/$2
	mkdir -p "$(dirname "$at")" "$(dirname "$to")"
	if [ ! -e "$to" ]; then
		if [ -e "$at" ]; then cp -R -P -p -- "$at" "$to"; else mkdir -- "$to"; fi
	fi
	rm -rf -- "$at"
	ln -s -- "$3" "$at"`, release, name, up+"shared/"+name)
	if err != nil {
		return fmt.Errorf("cannot link %s of the release to shared/%s: %w", name, name, err)
	}
	return nil
}

// switchTo points the link app to a release. A folder app/ that was there before
// the first deploy is kept under another name; an empty one goes.
func (a account) switchTo(ctx context.Context, app, release string) error {
	err := a.quickly(ctx, app, `umask 022
	if [ -d app ] && [ ! -L app ]; then
		rmdir app 2>/dev/null || { n=app.before-deploy; while [ -e "$n" ]; do n=$n.1; done; mv -T -- app "$n"; }
	fi
	ln -sfn -- "$1" .app.new
	mv -fT -- .app.new app`, release)
	if err != nil {
		return fmt.Errorf("cannot switch the link %s/app to %s: %w", app, release, err)
	}
	return nil
}

// Switch points the link app of a folder to a release, as the app's user.
func Switch(ctx context.Context, owner appdir.Owner, app, release string) error {
	return account{owner: owner}.switchTo(ctx, app, "releases/"+release)
}
