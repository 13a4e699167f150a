package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// release is a folder that is being written. Until it is done nobody else can
// look into it: it is this process's own, mode 0700.
type release struct {
	root  *os.Root
	owner *child.Account
	at    string   // the folder that is open
	dir   *os.Root // root where at is "."
	few   bool     // each file goes to the disk by itself
}

// mostAlone is how many files and folders are brought to the disk one by one. With more
// the whole file system is: that has to wait for what others have written there.
const mostAlone = 32

// makeRelease makes the folder, which must not be there.
// It is to hold so many files and folders.
func makeRelease(releases *os.Root, id string, owner *child.Account, entries int) (*release, error) {
	if err := releases.Mkdir(id, 0o700); err != nil {
		return nil, err
	}
	root, err := releases.OpenRoot(id)
	if err != nil {
		return nil, err
	}
	r := &release{root: root, owner: owner, at: ".", dir: root, few: entries <= mostAlone}
	fi, err := root.Stat(".")
	if err == nil {
		if st, ok := fi.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() || fi.Mode().Perm()&0o022 != 0 {
			err = fmt.Errorf("another folder was put in the place of %s", id)
		}
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *release) close() {
	if r.dir != r.root {
		_ = r.dir.Close()
	}
	_ = r.root.Close()
}

// enter opens the folder of a path, and returns the last part. Entries come
// folder by folder: one open for each.
func (r *release) enter(name string) (string, error) {
	dir, base := path.Dir(name), path.Base(name)
	if dir == r.at {
		return base, nil
	}
	next := r.root
	if dir != "." {
		var err error
		if next, err = r.root.OpenRoot(dir); err != nil {
			return "", err
		}
	}
	if r.dir != r.root {
		_ = r.dir.Close()
	}
	r.at, r.dir = dir, next
	return base, nil
}

func (r *release) mkdir(name string) error {
	if err := r.root.Mkdir(name, 0o700); err != nil {
		return err
	}
	return r.root.Chmod(name, 0o755) // not what the umask leaves
}

// create makes a file that is not there; write fills it.
func (r *release) create(name string, mode fs.FileMode, write func(*os.File) error) error {
	base, err := r.enter(name)
	if err != nil {
		return err
	}
	f, err := r.dir.OpenFile(base, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil && r.owner != nil {
		err = f.Chown(r.owner.UID, r.owner.GID)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil && r.few {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (r *release) symlink(name, target string) error {
	base, err := r.enter(name)
	if err != nil {
		return err
	}
	if err := r.dir.Symlink(target, base); err != nil {
		return err
	}
	if r.owner == nil {
		return nil
	}
	return r.dir.Lchown(base, r.owner.UID, r.owner.GID)
}

// done gives the folders to the owner, the release itself last, when all of it is
// on the disk.
func (r *release) done(folders []string) error {
	f, err := r.root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := r.toDisk(f, folders); err != nil {
		return err
	}
	if r.owner != nil {
		for _, name := range slices.Backward(folders) {
			if err := r.root.Lchown(name, r.owner.UID, r.owner.GID); err != nil {
				return err
			}
		}
		if err := f.Chown(r.owner.UID, r.owner.GID); err != nil {
			return err
		}
	}
	return f.Chmod(0o755)
}

// toDisk brings what was written to the disk; of few files, what create has left to do.
func (r *release) toDisk(top *os.File, folders []string) error {
	if !r.few {
		return unix.Syncfs(int(top.Fd()))
	}
	for _, name := range folders {
		f, err := r.root.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return top.Sync()
}

// Remove removes a release, a half one too. It is no error that none is there.
func Remove(releases *os.Root, id string) error {
	err := releases.RemoveAll(id)
	if err == nil {
		return nil
	}
	// Folders without the right to write, where we are not root.
	_ = fs.WalkDir(releases.FS(), id, func(name string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = releases.Chmod(name, 0o700)
		}
		return nil
	})
	if err := releases.RemoveAll(id); err != nil {
		return fmt.Errorf("cannot remove release %s: %w", id, err)
	}
	return nil
}
