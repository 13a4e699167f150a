package sandbox

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
)

// Chroot is what a master with chroot = true has; a nil one is that of a
// master without.
type Chroot struct {
	root  *rootTree
	view  *hostView
	files *hostFiles
	space *Namespaces
}

// NewChroot puts the app's root together and enters it. It takes folder, the
// descriptor of the app folder, over.
func NewChroot(spec *appspec.Spec, folder int, python, stateAppDir, hostDir string) (*Chroot, error) {
	fail := func(err error) (*Chroot, error) {
		return nil, fmt.Errorf("cannot chroot to %s: %w", spec.Path, err)
	}
	binds, err := chrootBinds(spec, python, stateAppDir, hostDir)
	if err != nil {
		return nil, err
	}
	c := &Chroot{}
	if c.view, err = newHostView(); err != nil {
		return fail(err)
	}
	app, err := folderHere(spec, folder)
	_ = unix.Close(folder)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(app)
	if c.root, err = enterChroot(app, spec, binds); err != nil {
		return nil, err
	}
	c.files = copyHostFiles(c.view, c.root.etc)
	if c.space, err = newNamespaces(c.root, spec.Name); err != nil {
		return fail(err)
	}
	return c, nil
}

// Workers is where the workers live, nil: where the master does.
func (c *Chroot) Workers() *Namespaces {
	if c == nil {
		return nil
	}
	return c.space
}

// Follow keeps what is copied from the host equal to it.
func (c *Chroot) Follow(log *applog.Log) {
	if c == nil {
		return
	}
	if len(c.root.hidden) > 0 {
		log.Warn(fmt.Sprintf("not visible inside the chroot: %s of the app folder, because the system's files have that name there", strings.Join(c.root.hidden, ", ")))
	}
	c.files.follow(log)
}

// Open opens a file that the spec names by its path in the host.
func (c *Chroot) Open(name string) (*os.File, error) {
	if c == nil {
		return openCertificate(name)
	}
	return c.view.open(name)
}

// OnHost runs f in the mounts of the host, on a thread that stays there, and waits for
// it.
func (c *Chroot) OnHost(f func()) { c.view.do(f) }
