package appdir

import (
	"errors"
	"io"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"
)

// lister lists a folder without a file of Go's being made for it.
type lister interface {
	// list is the names in a folder, or the first most of them. A missing folder is an error.
	list(name string, most int) ([]string, error)
}

// listing is how much the kernel tells at a time: more than what most folders hold.
const listing = 4 << 10

func (r *RootFs) list(name string, most int) ([]string, error) {
	var names []string
	err := r.at("open", name, func(dir int, n string) error {
		fd, err := openListing(dir, n)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		buf := make([]byte, listing)
		for len(names) < most {
			got, err := retry(func() (int, error) { return unix.ReadDirent(fd, buf) })
			if err != nil || got <= 0 {
				return err
			}
			_, _, names = unix.ParseDirent(buf[:got], most-len(names), names)
		}
		return nil
	})
	return names, err
}

// list is that of the base without what was removed. What was made in the layer is empty,
// or holds what was written there.
func (o *overlay) list(name string, most int) ([]string, error) {
	name = clean(name)
	o.mu.Lock()
	made := o.made[name]
	o.mu.Unlock()
	if made {
		return listFile(o, name, most)
	}
	names, err := list(o.base, name, most)
	return o.kept(name, names), err
}

// list is what lister says, of any file system.
func list(fsys afero.Fs, name string, most int) ([]string, error) {
	if l, ok := fsys.(lister); ok {
		return l.list(name, most)
	}
	return listFile(fsys, name, most)
}

func listFile(fsys afero.Fs, name string, most int) ([]string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(most)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}
