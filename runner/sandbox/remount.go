package sandbox

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// A folder of the state directory that was deleted stays mounted in the chroot: empty,
// and nothing can be made in it. Another one at its path is not seen there. So it is
// made on the host, by the thread that has stayed there, and mounted in place of the
// dead one.

// Remount has the folders of the state directory seen inside that were made anew: the
// app's for the master, the Python host for the workers too.
func (c *Chroot) Remount(dir, hostDir string, there func(func())) error {
	err := errors.Join(c.mountAnew(dir, appAttributes), c.mountAnew(hostDir, hostAttributes))
	there(func() { err = errors.Join(err, c.mountAnew(hostDir, hostAttributes)) })
	return err
}

// mountAnew has a folder of the host seen in the mounts of the calling thread in place
// of the one that is mounted at its path, if that is another one.
func (c *Chroot) mountAnew(path string, attributes uint64) error {
	tree := -1
	var host, inside unix.Stat_t
	var err error
	c.view.do(func() {
		// A descriptor of the host's mounts can be mounted elsewhere only as a copy, which
		// only a thread that is there can make.
		if tree, err = unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW|unix.AT_RECURSIVE); err == nil {
			err = unix.Fstat(tree, &host)
		}
	})
	if tree >= 0 {
		defer unix.Close(tree)
	}
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", path, err)
	}
	if unix.Stat(path, &inside) == nil && inside.Dev == host.Dev && inside.Ino == host.Ino {
		return nil
	}
	attr := unix.MountAttr{Attr_set: attributes}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("cannot mount %s: %w", path, err)
	}
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && err != unix.EINVAL {
		return fmt.Errorf("cannot unmount what was %s: %w", path, err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("cannot mount %s: %w", path, err)
	}
	return nil
}
