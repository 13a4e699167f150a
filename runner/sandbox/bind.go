package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// systemFolders is what a normal Python application needs of the host, beside the
// files of hostFiles. Those that do not exist are left out.
var systemFolders = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt",
	"/etc/ssl", "/etc/ca-certificates", "/etc/pki", "/etc/crypto-policies",
	"/etc/ld.so.conf.d", "/etc/alternatives", "/etc/python3", "/etc/python3.11",
}

var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// bind is a path of the host that is seen inside.
type bind struct {
	path     string
	writable bool
	private  bool   // for the master, not for its workers
	system   bool   // root's own, may lead through whatever links
	device   bool   // a device
	link     string // a symbolic link, made anew
	file     *os.File
	dir      bool
}

func systemBinds() []bind {
	var all []bind
	for _, p := range systemFolders {
		all = append(all, bind{path: p, system: true})
	}
	for _, d := range devices {
		all = append(all, bind{path: "/dev/" + d, device: true})
	}
	for link, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		all = append(all, bind{path: "/dev/" + link, link: to})
	}
	return all
}

// openBinds takes hold of the paths. Those of the system that do not exist are
// left out.
func openBinds(want []bind) (all []bind, err error) {
	for _, b := range want {
		switch {
		case b.link != "":
		case b.system || b.device:
			if to, err := os.Readlink(b.path); err == nil && !strings.HasPrefix(b.path, "/etc/") {
				b.link = to // such as /bin → usr/bin
				break
			}
			fd, err := unix.Open(b.path, unix.O_PATH|unix.O_CLOEXEC, 0)
			if errors.Is(err, unix.ENOENT) {
				continue
			}
			if err != nil {
				return all, fmt.Errorf("%s: %w", b.path, err)
			}
			b.file = os.NewFile(uintptr(fd), b.path)
		default:
			if filepath.Clean(b.path) == "/" {
				return all, errors.New("/: it is the root of the whole system, and would be visible inside; put what is needed into a folder of its own")
			}
			if b.file, _, err = appdir.Folder("folder", b.path); err != nil {
				return all, err
			}
		}
		if b.file != nil {
			var st unix.Stat_t
			if err := unix.Fstat(int(b.file.Fd()), &st); err != nil {
				_ = b.file.Close()
				return all, fmt.Errorf("%s: %w", b.path, err)
			}
			b.dir = st.Mode&unix.S_IFMT == unix.S_IFDIR
			if b.system && !b.dir {
				_ = b.file.Close()
				continue
			}
		}
		all = append(all, b)
	}
	return all, nil
}

func closeBinds(all []bind) {
	for _, b := range all {
		if b.file != nil {
			_ = b.file.Close()
		}
	}
}

// mount makes the path visible in the new root.
func (b *bind) mount() error {
	target := newRoot + filepath.Clean(b.path)
	if err := makeFolders(filepath.Dir(target)); err != nil {
		return err
	}
	if b.link != "" {
		if err := os.Symlink(b.link, target); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	}
	if b.dir {
		if err := makeFolders(target); err != nil {
			return err
		}
	} else {
		f, err := os.OpenFile(target, os.O_CREATE|os.O_RDONLY, 0o644)
		if err != nil {
			return err
		}
		_ = f.Close()
	}
	attributes := uint64(hostAttributes)
	switch {
	case b.device:
		attributes = unix.MOUNT_ATTR_NOSUID
	case b.writable:
		attributes = appAttributes
	}
	return attach(int(b.file.Fd()), target, attributes)
}

// chrootBinds is what this app needs beside the system: its interpreter, and for
// the master its state and what its mongrel2 sockets name.
func chrootBinds(spec *appspec.Spec, python, stateAppDir, hostDir string) ([]bind, error) {
	binds := []bind{{path: stateAppDir, writable: true, private: true}, {path: hostDir}}
	trees, err := pythonTrees(spec, python)
	if err != nil {
		return nil, err
	}
	for _, p := range trees {
		binds = append(binds, bind{path: p})
	}
	for _, s := range spec.Sockets.Mongrel2 {
		if s.Chroot != "" {
			binds = append(binds, bind{path: s.Chroot, writable: true, private: true})
		}
		for _, e := range []string{s.Recv, s.Send} {
			// To connect, no right to write to the folder is needed.
			if path, ok := strings.CutPrefix(e, "ipc://"); ok && filepath.IsAbs(path) {
				binds = append(binds, bind{path: filepath.Dir(path), private: true})
			}
		}
	}
	for _, p := range binds {
		for _, q := range binds {
			if p.private && !q.private && below(p.path, q.path) {
				return nil, fmt.Errorf("cannot chroot to %s: %s, which only the master may see, contains %s, which the workers need; put the mongrel2 block's sockets and chroot into a folder of their own",
					spec.Path, p.path, q.path)
			}
		}
	}
	return binds, nil
}

// below tells whether a path is a folder or lies below it.
func below(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}
