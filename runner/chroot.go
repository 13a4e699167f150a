package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
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

// newRoot is where the root is put together, in the namespace only.
const newRoot = "/run"

// systemPaths is what a normal Python application needs of the host. Those that
// do not exist are left out.
var systemPaths = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt",
	"/etc/ssl", "/etc/ca-certificates", "/etc/pki", "/etc/crypto-policies",
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/hostname",
	"/etc/localtime", "/etc/timezone", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives",
	"/etc/passwd", "/etc/group", "/etc/services", "/etc/protocols", "/etc/mime.types", "/etc/python3", "/etc/python3.11",
}

var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// hiddenApp is where the whole app folder is in the new root; what lies at the
// top are its entries.
const hiddenApp = "/.app"

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
		return -1, errors.New("another folder was put in its place meanwhile")
	}
	return here, nil
}

// enterChroot puts the root together and changes to it. judged is the descriptor
// of the app folder, which it closes. more are further paths to
// bind, with their names in the host; those marked writable stay so.
func enterChroot(judged int, spec *appspec.Spec, more []bind) error {
	fail := func(what string, err error) error {
		return fmt.Errorf("cannot chroot to %s: cannot %s: %w", spec.Path, what, err)
	}
	// The old root stays reachable below the new one until all is bound.
	app, err := folderHere(spec, judged)
	_ = unix.Close(judged)
	if err != nil {
		return fail("open it", err)
	}
	defer unix.Close(app)
	handles, err := openBinds(more)
	defer closeBinds(handles)
	if err != nil {
		return fail("bind", err)
	}
	system, err := openBinds(systemBinds())
	defer closeBinds(system)
	if err != nil {
		return fail("bind", err)
	}
	devs, err := openBinds(deviceBinds())
	defer closeBinds(devs)
	if err != nil {
		return fail("bind", err)
	}
	entries, err := os.ReadDir(fmt.Sprintf("/proc/self/fd/%d", app))
	if err != nil {
		return fail("read it", err)
	}
	if err := unix.Mount("wsgid", newRoot, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=1m"); err != nil {
		return fail("mount a tmpfs", err)
	}
	for _, d := range []struct{ dir, typ, opts string }{{"/tmp", "tmpfs", "mode=1777"}, {"/dev/shm", "tmpfs", "mode=1777"}, {"/proc", "proc", ""}} {
		if err := os.MkdirAll(newRoot+d.dir, 0o755); err != nil {
			return fail("make "+d.dir, err)
		}
		if err := unix.Mount(d.typ, newRoot+d.dir, d.typ, unix.MS_NOSUID|unix.MS_NODEV, d.opts); err != nil {
			return fail("mount "+d.dir, err)
		}
	}
	for _, b := range append(system, append(devs, handles...)...) {
		if err := b.mount(); err != nil {
			return fail("bind "+b.path, err)
		}
	}
	if err := bindApp(app, entries); err != nil {
		return fail("bind its entries", err)
	}
	if err := os.MkdirAll(newRoot+"/.old", 0o700); err != nil {
		return fail("make a place for the old root", err)
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
	return nil
}

// bindApp puts the app folder's entries at the top of the root: folders as
// they are, files as links into the folder, so that a file that is replaced is
// seen anew.
func bindApp(app int, entries []fs.DirEntry) error {
	if err := os.Mkdir(newRoot+hiddenApp, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", app), newRoot+hiddenApp, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	names := map[string]bool{"wsgid.json": false, "django.json": false}
	for _, e := range entries {
		names[e.Name()] = e.IsDir()
	}
	for name, dir := range names {
		target := filepath.Join(newRoot, name)
		if !dir {
			if err := os.Symlink(filepath.Join(hiddenApp, name), target); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			continue
		}
		// One that has the name of a folder of the system wins.
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(filepath.Join(newRoot, hiddenApp, name), target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
	}
	return nil
}

// bind is a path of the host that is seen inside.
type bind struct {
	path     string
	writable bool
	device   bool
	link     string // a symbolic link, made anew
	fd       int
	dir      bool
}

func systemBinds() []bind {
	var all []bind
	for _, p := range systemPaths {
		all = append(all, bind{path: p})
	}
	return all
}

func deviceBinds() []bind {
	var all []bind
	for _, d := range devices {
		all = append(all, bind{path: "/dev/" + d, writable: true, device: true})
	}
	for link, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		all = append(all, bind{path: "/dev/" + link, link: to, fd: -1})
	}
	return all
}

// openBinds takes hold of the paths, so that they can be mounted when the host's
// own tree is covered. Paths that do not exist are left out.
func openBinds(want []bind) (all []bind, err error) {
	for _, b := range want {
		b.fd = -1
		if b.link != "" {
			all = append(all, b)
			continue
		}
		if to, err := os.Readlink(b.path); err == nil && !strings.HasPrefix(b.path, "/etc/") {
			b.link = to // such as /bin → usr/bin
			all = append(all, b)
			continue
		}
		fd, err := unix.Open(b.path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if errors.Is(err, fs.ErrNotExist) || err == unix.ENOENT {
			continue
		}
		if err != nil {
			return all, fmt.Errorf("%s: %w", b.path, err)
		}
		b.fd = fd
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			_ = unix.Close(fd)
			return all, fmt.Errorf("%s: %w", b.path, err)
		}
		b.dir = st.Mode&unix.S_IFMT == unix.S_IFDIR
		all = append(all, b)
	}
	return all, nil
}

func closeBinds(all []bind) {
	for _, b := range all {
		if b.fd >= 0 {
			_ = unix.Close(b.fd)
		}
	}
}

// mount makes the path visible in the new root.
func (b *bind) mount() error {
	target := newRoot + b.path
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if b.link != "" {
		if err := os.Symlink(b.link, target); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	}
	if b.dir {
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
	} else {
		f, err := os.OpenFile(target, os.O_CREATE|os.O_RDONLY, 0o644)
		if err != nil {
			return err
		}
		_ = f.Close()
	}
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", b.fd), target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if b.writable {
		return nil
	}
	flags := uintptr(unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV)
	return unix.Mount("", target, "", flags, "")
}

// chrootBinds is what this app needs beside the system: its interpreter, its
// state, and what its sockets name.
func chrootBinds(spec *appspec.Spec, python, stateAppDir, hostDir string) []bind {
	binds := []bind{{path: stateAppDir, writable: true}, {path: hostDir, writable: true}}
	inside := func(p string) bool {
		rel, err := filepath.Rel(spec.Path, p)
		return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
	}
	for _, p := range pythonTrees(python) {
		if !inside(p) && !strings.HasPrefix(p+"/", "/usr/") {
			binds = append(binds, bind{path: p})
		}
	}
	for _, s := range spec.Sockets.HTTP {
		if s.TLS != nil {
			binds = append(binds, bind{path: filepath.Dir(s.TLS.Cert)}, bind{path: filepath.Dir(s.TLS.Key)})
		}
	}
	for _, s := range spec.Sockets.Mongrel2 {
		if s.Chroot != "" {
			binds = append(binds, bind{path: s.Chroot, writable: true})
		}
		for _, e := range []string{s.Recv, s.Send} {
			if u, err := url.Parse(e); err == nil && u.Scheme == "ipc" {
				binds = append(binds, bind{path: filepath.Dir(strings.TrimPrefix(e, "ipc://")), writable: true})
			}
		}
	}
	return binds
}

// maxVenvConfig is what is read of a pyvenv.cfg, which holds a few lines.
const maxVenvConfig = 64 << 10

// pythonTrees is the folders that an interpreter lives on: the prefix of where
// its link leads, and of the Python that a virtualenv was made from.
func pythonTrees(python string) []string {
	var trees []string
	add := func(exe string) {
		if target, err := filepath.EvalSymlinks(exe); err == nil {
			trees = append(trees, filepath.Dir(filepath.Dir(target)))
		}
		trees = append(trees, filepath.Dir(filepath.Dir(exe)))
	}
	add(python)
	conf, err := appdir.ReadOutside(filepath.Join(filepath.Dir(filepath.Dir(python)), "pyvenv.cfg"), maxVenvConfig)
	if err != nil {
		return trees
	}
	for line := range strings.Lines(string(conf)) {
		k, v, _ := strings.Cut(line, "=")
		if strings.TrimSpace(k) == "home" {
			add(filepath.Join(strings.TrimSpace(v), "python3"))
		}
	}
	return trees
}

// insideChroot is the spec as it reads inside.
func insideChroot(spec *appspec.Spec) *appspec.Spec {
	s := *spec
	strip := func(p string) string {
		if rel, err := filepath.Rel(spec.Path, p); err == nil && filepath.IsAbs(p) && rel != ".." && !strings.HasPrefix(rel, "../") {
			return filepath.Join("/", rel)
		}
		return p
	}
	s.Path = "/"
	s.Python = strip(s.Python)
	s.Virtualenv = strip(s.Virtualenv)
	s.LoaderDirs = make([]string, len(spec.LoaderDirs))
	for i, d := range spec.LoaderDirs {
		s.LoaderDirs[i] = strip(d)
	}
	return &s
}
