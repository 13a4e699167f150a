package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// openFolder opens an app folder that must exist.
func (c *cli) openFolder(verb string) (*appdir.RootFs, error) {
	fsys, err := appdir.Open(c.path)
	if err != nil {
		return nil, err
	}
	if _, err := fsys.Stat("/"); err != nil {
		_ = fsys.Close()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("cannot %s %s: there is no such folder; create it: wsgid init --app-path=%s", verb, c.path, c.path)
		}
		return nil, fmt.Errorf("cannot %s %s: %w", verb, c.path, err)
	}
	return fsys, nil
}

// folderInfo is what the app folder itself is, by the way that root trusts: a link
// of an app's user to another's folder is an error. It holds for the user's
// choice and for what is stopped, where a name that is switched in between would
// be somebody else's.
func (c *cli) folderInfo() (fs.FileInfo, error) {
	fsys, err := appdir.Open(c.path)
	if err != nil {
		return nil, err
	}
	defer fsys.Close()
	return fsys.Stat("/")
}

// folderUID is whose the app folder is.
func (c *cli) folderUID() (int, error) {
	fi, err := c.folderInfo()
	if err != nil {
		return -1, err
	}
	return appdir.OwnerOf(fi), nil
}

// config writes the options given into wsgid.json, and keeps the others.
func (c *cli) config() (int, error) {
	fsys, err := c.openFolder("configure")
	if err != nil {
		return 0, err
	}
	defer fsys.Close()
	conf, err := appdir.LoadConfig(fsys)
	if err != nil {
		return 0, err
	}
	if err := c.set(conf); err != nil {
		return 0, err
	}
	// What was there may be wrong too: better told now than at the next start.
	if err := conf.Apply(appspec.Default("app", c.path)); err != nil {
		return 0, err
	}
	for _, line := range slices.Concat(conf.Unknown(), conf.Repeated()) {
		c.warn("%s", line)
	}
	if conf.Managed() {
		c.warn("the fleet writes %s from the app's spec; change the spec, or this will be undone", appdir.Join(c.path, appdir.ConfigFile))
	}
	if err := conf.Save(fsys); err != nil {
		return 0, err
	}
	return exitOK, nil
}

// set puts the options that were given into the file's keys.
func (c *cli) set(conf *appdir.Config) error {
	o := &c.opts
	chroot := conf.On("chroot")
	if o.given("chroot") || o.given("no-chroot") {
		chroot = o.on("chroot") && o.chroot
	}
	dirs, err := o.loaders(c.path, chroot)
	if err != nil {
		return err
	}
	values := []struct {
		flag, key string
		value     any
	}{
		{"wsgi-app", "wsgi_app", o.wsgiApp},
		{"loader-dir", "loader_dir", dirs},
		{"recv", "recv", o.recv},
		{"send", "send", o.send},
		{"workers", "workers", o.workers},
		{"keep-alive", "keep_alive", o.keepAlive},
		{"chroot", "chroot", o.chroot},
		{"mongrel2-chroot", "mongrel2_chroot", o.m2chroot},
		{"django", "django", o.django},
		{"no-daemon", "no_daemon", o.noDaemon},
		{"stdout", "stdout", o.stdout},
		{"debug", "debug", o.debug},
		{"no-debug", "debug", !o.noDebug},
		{"no-keep-alive", "keep_alive", !o.noKeepAlive},
		{"no-chroot", "chroot", !o.noChroot},
	}
	for _, v := range values {
		if !o.given(v.flag) {
			continue
		}
		if v.key == "wsgi_app" && o.wsgiApp == "" || v.key == "mongrel2_chroot" && o.m2chroot == "" {
			conf.Delete(v.key) // --wsgi-app= takes it out again
			continue
		}
		if err := conf.Set(v.key, v.value); err != nil {
			return err
		}
	}
	return nil
}
