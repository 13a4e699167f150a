package source

import (
	"errors"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// mostLooked is how many names of a repository are looked at. One that was always
// fetched into by this program has some fifty.
const mostLooked = 2000

// leftBehind tells whether a git that was killed may have left files in a repository:
// locks, and packs that are half written. A look costs less than the program that
// removes them. What cannot be told is answered with yes.
func leftBehind(dir string) bool {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return true
	}
	defer root.Close()
	seen := 0
	for folders := []string{"."}; len(folders) > 0; {
		at := folders[0]
		folders = folders[1:]
		entries, err := list(root, at, mostLooked-seen)
		if seen += len(entries); err != nil || seen >= mostLooked {
			return true
		}
		for _, e := range entries {
			switch name := e.Name(); {
			case e.IsDir():
				folders = append(folders, path.Join(at, name))
			case strings.HasSuffix(name, ".lock"), strings.HasPrefix(name, "tmp_"):
				return true
			}
		}
	}
	return false
}

// list reads at most n names of a folder, which is not to be a link, nor a FIFO that was
// put in its place.
func list(root *os.Root, name string, n int) ([]os.DirEntry, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(max(n, 1))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return entries, err
}
