package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// With chroot = true a master runs in a mount namespace of its own, whose root
// is a small read-only tmpfs: the app folder's entries at the top, beside them
// what Python, import ssl and name resolution need, read-only from the host.
// Nothing is created in the app folder, and nothing is left on the host: the
// mounts go with the last process of the namespace.
//
// Every folder is opened first, by a walk that judges links and folders of other
// users, and what is mounted is that descriptor: what an app puts at a name in
// the meantime is never looked at. Files of /etc are copied, not bound, and
// follow the host's (hostFiles); certificates are read from the host (hostView).
// Those of the workers are Namespaces.

// newRoot is where the root is put together, in the namespace only.
const newRoot = "/run"

// AppFolder is where the whole app folder is in the new root; what lies at the
// top are its entries.
const AppFolder = "/.app"

// rootTree is a root that was entered.
type rootTree struct {
	private []string // mounts that only the master needs
	folders []string // names of folders of the app folder that are mounted at the top
	hidden  []string // entries of the app folder that have a name of the system's
	etc     *os.File // the writable side of /etc, read-only in the root
	top     *os.File // the writable side of the root itself
	made    int      // names of entries that were not there at first
}

// folderHere is the app folder in our own mount namespace: of a descriptor that
// comes from another one nothing can be bound. It is the same folder, or an error.
func folderHere(spec *appspec.Spec, judged int) (int, error) {
	folder, err := appdir.Open(spec.Path)
	if err != nil {
		return -1, err
	}
	defer folder.Close()
	f, err := folder.Folder()
	if err != nil {
		return -1, err
	}
	here, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	var a, b unix.Stat_t
	if err := errors.Join(unix.Fstat(here, &a), unix.Fstat(judged, &b)); err != nil {
		_ = unix.Close(here)
		return -1, err
	}
	if a.Dev != b.Dev || a.Ino != b.Ino {
		_ = unix.Close(here)
		return -1, errors.New("it was replaced by another folder meanwhile")
	}
	return here, nil
}

// enterChroot puts the root together and changes to it. app is the descriptor of
// the app folder.
func enterChroot(app int, spec *appspec.Spec, binds []bind) (*rootTree, error) {
	fail := func(what string, err error) (*rootTree, error) {
		if errors.Is(err, unix.ENOSYS) {
			err = errors.New("it needs Linux 5.12 or newer")
		}
		return nil, fmt.Errorf("cannot chroot to %s: cannot %s: %w", spec.Path, what, err)
	}
	c := &rootTree{}
	binds = append(systemBinds(), binds...)
	// A folder before what lies below it, which it would cover.
	slices.SortStableFunc(binds, func(a, b bind) int { return strings.Compare(a.path, b.path) })
	handles, err := openBinds(binds)
	defer closeBinds(handles)
	if err != nil {
		return fail("bind", err)
	}
	// All is held by its descriptor now: /run may be covered.
	if err := unix.Mount("wsgid", newRoot, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=32m"); err != nil {
		return fail("mount a tmpfs", err)
	}
	for _, d := range []struct{ dir, typ, opts string }{{"/tmp", "tmpfs", "mode=1777"}, {"/dev/shm", "tmpfs", "mode=1777"}, {"/proc", "proc", ""}} {
		if err := makeFolders(newRoot + d.dir); err != nil {
			return fail("make "+d.dir, err)
		}
		if err := unix.Mount(d.typ, newRoot+d.dir, d.typ, unix.MS_NOSUID|unix.MS_NODEV, d.opts); err != nil {
			return fail("mount "+d.dir, err)
		}
	}
	for i := range handles {
		if err := handles[i].mount(); err != nil {
			return fail("bind "+handles[i].path, err)
		}
		if handles[i].private {
			c.private = append(c.private, handles[i].path)
		}
	}
	if err := c.bindApp(app, spec.Deploy != nil); err != nil {
		return fail("bind its entries", err)
	}
	if err := c.keepWritable(); err != nil {
		return fail("make /etc", err)
	}
	if err := makeFolders(newRoot + "/.old"); err != nil {
		return fail("create a mount point for the old root", err)
	}
	if err := unix.PivotRoot(newRoot, newRoot+"/.old"); err != nil {
		return fail("change the root", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fail("enter it", err)
	}
	if err := unix.Unmount("/.old", unix.MNT_DETACH); err != nil {
		return fail("leave the old root", err)
	}
	_ = os.Remove("/.old")
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return fail("make the root read-only", err)
	}
	return c, nil
}

// bindApp puts the app folder's entries at the top of the root: folders as
// they are, files as links into the folder, so that a file that is replaced is
// seen anew. A name that the system has stays the system's, whose files the master
// trusts, all but /tmp.
func (c *rootTree) bindApp(app int, deployed bool) error {
	entries, err := topNames(app)
	if err != nil {
		return err
	}
	if err := makeFolders(newRoot + AppFolder); err != nil {
		return err
	}
	if err := attach(app, newRoot+AppFolder, appAttributes); err != nil {
		return err
	}
	names := []string{"wsgid.json", "django.json"}
	for _, e := range entries {
		if !slices.Contains(names[:2], e) {
			names = append(names, e)
		}
	}
	for _, name := range names {
		target := filepath.Join(newRoot, name)
		if _, err := os.Lstat(target); err == nil && name != "tmp" {
			c.hidden = append(c.hidden, name)
			continue
		}
		mounted := false
		if name != appdir.AppDir || !deployed { // which is a link to a release, or becomes one
			if mounted, err = bindEntry(app, name, target); err != nil {
				return err
			}
		}
		if mounted {
			c.folders = append(c.folders, name)
			continue
		}
		if err := os.Symlink(filepath.Join(AppFolder, name), target); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// maxTopNames is how many entries an app folder with a chroot may have at the top:
// each becomes a mount or a link before the app serves.
const maxTopNames = 4096

// topNames are the entries of the app folder, sorted.
func topNames(app int) ([]string, error) {
	fd, err := unix.Openat(app, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(fd), "the app folder")
	defer dir.Close()
	names, err := dir.Readdirnames(maxTopNames + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) > maxTopNames {
		return nil, fmt.Errorf("the folder has more than %d entries, each of which would be mounted: put them into a folder below it, or do without chroot", maxTopNames)
	}
	slices.Sort(names)
	return names, nil
}

// bindEntry mounts an entry of the app folder if it is a folder. The app may put
// something else there at any time: what is mounted is what was looked at.
func bindEntry(app int, name, target string) (bool, error) {
	fd, err := unix.Openat(app, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, nil //nolint:nilerr // it is gone meanwhile; a link leads to what may come
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return false, nil
	}
	if err := makeFolders(target); err != nil {
		return false, err
	}
	return true, attach(fd, target, appAttributes)
}

// keepWritable keeps a way to write to the root and to /etc when they are read-only.
func (c *rootTree) keepWritable() error {
	if err := makeFolders(newRoot + "/etc"); err != nil {
		return err
	}
	for path, keep := range map[string]**os.File{"": &c.top, "/etc": &c.etc} {
		tree, err := unix.OpenTree(unix.AT_FDCWD, newRoot+path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW)
		if err != nil {
			return err
		}
		*keep = os.NewFile(uintptr(tree), newRoot+path)
	}
	return nil
}

// Attributes of mounts.
const (
	appAttributes  = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	hostAttributes = appAttributes | unix.MOUNT_ATTR_RDONLY
)

// attach mounts what a descriptor stands for, with all that is mounted below it.
func attach(fd int, target string, attributes uint64) error {
	tree, err := unix.OpenTree(fd, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	attr := unix.MountAttr{Attr_set: attributes}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return err
	}
	return unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// makeFolders makes folders that everybody may pass, whatever the umask.
func makeFolders(path string) error {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return nil
	}
	if err := makeFolders(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// Inside is the spec as it reads inside.
func Inside(spec *appspec.Spec) *appspec.Spec {
	s := *spec
	strip := func(p string) string {
		if filepath.IsAbs(p) && below(spec.Path, p) {
			rel, _ := filepath.Rel(spec.Path, p)
			return filepath.Join("/", rel)
		}
		return p
	}
	s.Path = "/"
	s.Python = strip(s.Python)
	s.Virtualenv = strip(s.Virtualenv)
	s.WSGIApp = strip(s.WSGIApp)
	s.WorkingDirectory = strip(s.WorkingDirectory)
	s.LoaderDirs = make([]string, len(spec.LoaderDirs))
	for i, d := range spec.LoaderDirs {
		s.LoaderDirs[i] = strip(d)
	}
	return &s
}
