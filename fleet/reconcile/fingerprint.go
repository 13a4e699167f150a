package reconcile

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"syscall"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
)

// fingerprint tells a spec directory from what it was before without reading a
// file: by a look at it, and by where the files that file() read are, how long and when
// they were changed. It costs a fraction of a load. Zero: it cannot be told. set is what
// was read last; nil: nothing.
func (c *Core) fingerprint(look *hclspec.Look, set *hclspec.Set) uint64 {
	if look == nil {
		return 0
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%x\x00", look.Print())
	if set != nil {
		found := make([]string, len(set.Reads))
		c.Disk.StatEach(set.Reads, func(i int, fi fs.FileInfo, err error) {
			if err != nil {
				found[i] = err.Error()
				return
			}
			found[i] = stamp(fi)
		})
		for i, path := range set.Reads {
			fmt.Fprintf(h, "%s\x00%s\x00", path, found[i])
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
