package hclspec

import (
	"path/filepath"
	"strings"

	"github.com/spf13/afero"
)

// resolver follows the symlinks of paths, which need not be there to their end.
// It keeps what it found for the time of one load.
type resolver struct {
	fsys  afero.Fs
	known map[string]string
}

// resolve returns the path without symlinks; on any doubt the clean path.
func (r *resolver) resolve(path string) string { return r.follow(filepath.Clean(path), 0) }

func (r *resolver) follow(path string, depth int) string {
	if path == "/" || path == "." || depth > 40 {
		return path
	}
	if known, ok := r.known[path]; ok {
		return known
	}
	dir, name := filepath.Split(path)
	target := filepath.Join(r.follow(filepath.Clean(dir), depth+1), name)
	if links, ok := r.fsys.(afero.LinkReader); ok {
		if to, err := links.ReadlinkIfPossible(target); err == nil && !strings.ContainsRune(to, 0) {
			if !filepath.IsAbs(to) {
				to = filepath.Join(filepath.Dir(target), to)
			}
			target = r.follow(filepath.Clean(to), depth+1)
		}
	}
	r.known[path] = target
	return target
}
