package runner

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
)

// masterChroot is what a master with chroot = true has; a nil one is that of a
// master without.
type masterChroot struct {
	root  *chroot
	view  *hostView
	files *hostFiles
	space *workerSpace
}

// newMasterChroot puts the app's root together and enters it.
func newMasterChroot(boot bootMessage, python, stateAppDir string) (*masterChroot, error) {
	spec := boot.Spec
	fail := func(err error) (*masterChroot, error) {
		return nil, fmt.Errorf("cannot chroot to %s: %w", spec.Path, err)
	}
	binds, err := chrootBinds(spec, python, stateAppDir, boot.HostDir)
	if err != nil {
		return nil, err
	}
	c := &masterChroot{}
	if c.view, err = newHostView(); err != nil {
		return fail(err)
	}
	app, err := folderHere(spec, boot.folder)
	_ = unix.Close(boot.folder)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(app)
	if c.root, err = enterChroot(app, spec, binds); err != nil {
		return nil, err
	}
	c.files = copyHostFiles(c.view, c.root.etc)
	if c.space, err = newWorkerSpace(c.root, spec.Name); err != nil {
		return fail(err)
	}
	return c, nil
}

// workers is where the workers live, nil: where the master does.
func (c *masterChroot) workers() *workerSpace {
	if c == nil {
		return nil
	}
	return c.space
}

// follow keeps what is copied from the host equal to it.
func (c *masterChroot) follow(log *applog.Log) {
	if c == nil {
		return
	}
	if len(c.root.hidden) > 0 {
		log.Warn(fmt.Sprintf("not seen inside the chroot: %s of the app folder, for the system's files have that name there", strings.Join(c.root.hidden, ", ")))
	}
	c.files.follow(log)
}

// open opens a file that the spec names by its path in the host.
func (c *masterChroot) open(name string) (*os.File, error) {
	if c == nil {
		return openCertificate(name)
	}
	return c.view.open(name)
}
