package host

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
)

// Script is the file that a worker runs, below the directory of Extract.
const Script = "wsgid_worker.py"

// The patterns name files, as a directory would leave __init__.py out and take
// __pycache__ in.
//
//go:embed py/*.py py/wsgid/*.py py/wsgid/*/*.py
var embedded embed.FS

// file is one file of the host; its path is relative to py/.
type file struct {
	path string
	data []byte
}

var files = sync.OnceValue(func() []file {
	var all []file
	// An embedded file system cannot fail.
	_ = fs.WalkDir(embedded, "py", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := embedded.ReadFile(p)
		all = append(all, file{p[len("py/"):], data})
		return err
	})
	return all
})

// Digest names the content of the files: 16 hexadecimal digits.
var Digest = sync.OnceValue(func() string {
	h := sha256.New()
	for _, f := range files() {
		fmt.Fprintf(h, "%s\x00%d\x00", f.path, len(f.data))
		h.Write(f.data)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
})

// Extract makes dir hold the files. A dir that holds them already is left as it is,
// so it may be in use; one that holds something else is made anew. The parent of dir
// must exist and be writable by the caller only; workers must be able to pass
// through it.
//
// All is the caller's, the directories where Python keeps its bytecode too: what a
// worker of another user could write there would run in the workers of other apps.
// Compile fills them.
func Extract(dir string) error {
	if complete(dir) {
		return nil
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-")
	if err != nil {
		return fmt.Errorf("cannot extract the Python host to %s: %w", dir, err)
	}
	defer os.RemoveAll(temp)
	if err := write(temp); err != nil {
		return fmt.Errorf("cannot extract the Python host to %s: %w", dir, err)
	}
	err = os.Rename(temp, dir)
	if err == nil || complete(dir) { // another process was first
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		if err = os.RemoveAll(dir); err == nil {
			err = os.Rename(temp, dir)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot extract the Python host to %s: %w", dir, err)
	}
	return nil
}

// complete tells whether all files are there. The directory is named after what
// they hold and came there whole, and the workers of an app under root cannot write
// to its files: their sizes say enough.
func complete(dir string) bool {
	for _, f := range files() {
		st, err := os.Lstat(filepath.Join(dir, f.path))
		if err != nil || !st.Mode().IsRegular() || st.Size() != int64(len(f.data)) {
			return false
		}
	}
	return true
}

func write(dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	made := map[string]bool{}
	for _, f := range files() {
		folder := filepath.Join(dir, path.Dir(f.path))
		if !made[folder] {
			made[folder] = true
			if err := makeFolder(folder); err != nil {
				return err
			}
		}
		name := filepath.Join(dir, f.path)
		if err := os.WriteFile(name, f.data, 0o644); err != nil {
			return err
		}
		// WriteFile's mode is cut by the umask.
		if err := os.Chmod(name, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func makeFolder(folder string) error {
	cache := filepath.Join(folder, "__pycache__")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		return err
	}
	return os.Chmod(cache, 0o755)
}
