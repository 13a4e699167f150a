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
	links map[string]string // looked at ahead: where they lead to; empty: they are no links
}

// aheadFrom is from how many paths of one folder on they are looked at ahead.
const aheadFrom = 16

// ahead looks at many paths at once, where the file system can: those of folders with
// many of them.
func (r *resolver) ahead(paths []string) {
	many, ok := r.fsys.(manyFiles)
	if !ok || len(paths) < aheadFrom {
		return
	}
	count := make(map[string]int)
	for _, path := range paths {
		count[filepath.Dir(path)]++
	}
	ends := make([]string, 0, len(paths))
	for _, path := range paths {
		if dir := filepath.Dir(path); count[dir] >= aheadFrom {
			ends = append(ends, filepath.Join(r.resolve(dir), filepath.Base(path)))
		}
	}
	found := make([]string, len(ends))
	many.ReadlinkEach(ends, func(i int, to string, err error) {
		if err == nil {
			found[i] = to
		}
	})
	r.links = make(map[string]string, len(ends))
	for i, path := range ends {
		r.links[path] = found[i]
	}
}

// leadsTo is what a symlink says; empty: it is none, or nobody knows.
func (r *resolver) leadsTo(path string) string {
	if to, looked := r.links[path]; looked {
		return to
	}
	if links, ok := r.fsys.(afero.LinkReader); ok {
		if to, err := links.ReadlinkIfPossible(path); err == nil {
			return to
		}
	}
	return ""
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
	if to := r.leadsTo(target); to != "" && !strings.ContainsRune(to, 0) {
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(target), to)
		}
		target = r.follow(filepath.Clean(to), depth+1)
	}
	r.known[path] = target
	return target
}
