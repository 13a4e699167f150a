package fleet

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/afero"
)

// fingerprint tells a spec directory from what it was before without reading a
// file: names, and of each file where it is, how long and when it was changed.
// It costs a hundredth of a load. What file() reads elsewhere is not in it, so
// a load is due now and then all the same. Zero: it cannot be told.
func fingerprint(fsys afero.Fs, dir string) uint64 {
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
	for _, n := range names {
		if !strings.HasSuffix(n, ".hcl") && !strings.HasSuffix(n, ".hcl.json") {
			continue
		}
		fi, err := fsys.Stat(filepath.Join(dir, n))
		if err != nil {
			fmt.Fprintf(h, "%s\x00%v\x00", n, err)
			continue
		}
		fmt.Fprintf(h, "%s\x00%s\x00", n, stamp(fi))
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
