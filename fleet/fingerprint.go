package fleet

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
)

// fingerprint tells a spec directory from what it was before without reading a
// file: names, and of each file where it is, how long and when it was changed; the
// same of the files that file() read; and what surrounds the apps. It costs a
// hundredth of a load. Zero: it cannot be told. set is what was read last; nil:
// nothing.
func (e *engine) fingerprint(set *hclspec.Set) uint64 {
	fsys, dir := e.disk, e.opts.Dir
	d, err := fsys.Open(dir)
	if err != nil {
		return 0
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return 0
	}
	// The order of a directory may change with its content only.
	h := fnv.New64a()
	if fi, err := d.Stat(); err == nil {
		fmt.Fprint(h, reconcile.FileID(fi.Sys()))
	}
	add := func(path string) {
		fi, err := fsys.Stat(path)
		if err != nil {
			fmt.Fprintf(h, "%s\x00%v\x00", path, err)
			return
		}
		fmt.Fprintf(h, "%s\x00%s\x00", path, stamp(fi))
	}
	for _, n := range names {
		if strings.HasSuffix(n, ".hcl") || strings.HasSuffix(n, ".hcl.json") {
			add(filepath.Join(dir, n))
		}
	}
	if set != nil {
		for _, path := range set.Reads {
			add(path)
		}
		all := e.surroundings(set)
		for _, n := range slices.Sorted(maps.Keys(all)) {
			fmt.Fprintf(h, "%s\x00%v\x00", n, all[n])
		}
	}
	return h.Sum64() | 1
}

func stamp(fi fs.FileInfo) string {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Sprint(fi.Size(), fi.ModTime().UnixNano())
	}
	// The time of the last change of the inode cannot be set back.
	return fmt.Sprint(st.Dev, st.Ino, st.Size, st.Mode, st.Mtim, st.Ctim)
}
