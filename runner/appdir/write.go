package appdir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/spf13/afero"
)

// tempMark is in the name of every temporary file, so that one that a crash
// left behind is known.
const tempMark = ".tmp-"

// isTemp tells whether a name is a temporary file of writeFile.
func isTemp(name string) bool {
	return strings.HasPrefix(name, ".") && strings.Contains(name, tempMark)
}

// writeFile replaces a file as a whole: temporary file, fsync, rename, fsync of
// the folder. On an error the old content stands and the temporary file is
// gone. With sync false a crash of the machine may lose the file (pid files,
// which a reboot makes stale anyway).
func writeFile(fsys afero.Fs, name string, data []byte, mode fs.FileMode, owner Owner, sync bool) error {
	dir, base := path.Split(clean(name))
	temp := dir + "." + base + tempMark + rand.Text()[:10]
	f, err := fsys.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = fill(fsys, f, temp, data, mode, owner, sync)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fsys.Rename(temp, clean(name))
	}
	if err != nil {
		_ = fsys.Remove(temp) // the first error is the one to tell
		return err
	}
	if !sync {
		return nil
	}
	d, err := fsys.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func fill(fsys afero.Fs, f afero.File, temp string, data []byte, mode fs.FileMode, owner Owner, sync bool) error {
	// Owner and mode come before the content, which may be secret, and through
	// the descriptor where there is one: the name might be another file by now.
	if err := giveFile(fsys, f, temp, owner); err != nil {
		return err
	}
	var err error
	if c, ok := f.(interface{ Chmod(fs.FileMode) error }); ok {
		err = c.Chmod(mode)
	} else {
		err = fsys.Chmod(temp, mode)
	}
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if !sync {
		return nil
	}
	return f.Sync()
}

// giveFile hands an open file to its owner, if it is not the owner's yet.
func giveFile(fsys afero.Fs, f afero.File, name string, owner Owner) error {
	if fi, err := f.Stat(); err != nil {
		return err
	} else if st, ok := sysStat(fi); ok && int(st.Uid) == owner.UID && int(st.Gid) == owner.GID {
		return nil
	}
	if c, ok := f.(interface{ Chown(uid, gid int) error }); ok {
		return c.Chown(owner.UID, owner.GID)
	}
	return fsys.Chown(name, owner.UID, owner.GID)
}

// maxRead bounds what is read of a file of the app folder: the files are
// written by people and by us, and none of theirs is larger.
const maxRead = 4 << 20

// tooLargeError is the size that a file must not go beyond.
type tooLargeError int64

func (e tooLargeError) Error() string {
	if e < 1<<20 {
		return fmt.Sprintf("it is larger than %d KiB", int64(e)>>10)
	}
	return fmt.Sprintf("it is larger than %d MiB", int64(e)>>20)
}

// readFile reads a small regular file.
func readFile(fsys afero.Fs, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readBounded(f, maxRead)
}

// maxNames bounds how much of a folder that the app may fill is looked at in one
// go; the next repair sees the next ones.
const maxNames = 500

// readNames lists a folder, or the first maxNames of it. A missing one is empty.
func readNames(fsys afero.Fs, name string) ([]string, error) {
	names, err := list(fsys, name, maxNames)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return names, err
}
