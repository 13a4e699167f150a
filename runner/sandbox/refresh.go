package sandbox

import (
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// The root shows the entries that the app folder had when the master started. What
// arrives later, such as the releases of a first deploy or a virtualenv, and what is
// replaced, such as an app folder by the link to a release, is shown to the workers
// that start then.

// refresh has the calling thread, and whoever lives in its mounts, see the entries of
// the app folder as they are. What cannot be shown anew stays as it was.
func (c *rootTree) refresh() {
	folder, err := unix.Open(AppFolder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(folder)
	names, err := topNames(folder)
	if err != nil {
		return
	}
	for _, name := range names {
		var st unix.Stat_t
		if c.made < maxTopNames && unix.Fstatat(int(c.top.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) == unix.ENOENT {
			c.show(folder, name)
		}
	}
	for _, name := range slices.Clone(c.folders) {
		c.showAnew(folder, name)
	}
}

// show makes a name for an entry that has arrived. A folder is mounted by showAnew.
func (c *rootTree) show(folder int, name string) {
	var st unix.Stat_t
	if unix.Fstatat(folder, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return
	}
	c.made++
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		_ = unix.Symlinkat(filepath.Join(AppFolder, name), int(c.top.Fd()), name)
		return
	}
	if unix.Mkdirat(int(c.top.Fd()), name, 0o755) == nil {
		c.folders = append(c.folders, name)
	}
}

// showAnew mounts a folder that is not the one that is mounted, and makes a link of a
// folder that has become one.
func (c *rootTree) showAnew(folder int, name string) {
	inside := "/" + name
	fd, err := unix.Openat(folder, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	var is, was unix.Stat_t
	if unix.Fstat(fd, &is) != nil || unix.Stat(inside, &was) == nil && is.Ino == was.Ino && is.Dev == was.Dev {
		return
	}
	if err := unix.Unmount(inside, unix.MNT_DETACH); err != nil && err != unix.EINVAL { // not mounted here
		return
	}
	if is.Mode&unix.S_IFMT == unix.S_IFDIR {
		_ = attach(fd, inside, appAttributes)
		return
	}
	// The link takes the place of the mount point, in the master's mounts too.
	if unix.Unlinkat(int(c.top.Fd()), name, unix.AT_REMOVEDIR) == nil &&
		unix.Symlinkat(filepath.Join(AppFolder, name), int(c.top.Fd()), name) == nil {
		c.folders = slices.DeleteFunc(c.folders, func(f string) bool { return f == name })
	}
}
