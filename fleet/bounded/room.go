package bounded

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

// room is a file system that took nothing more.
type room struct {
	mount  string // where it is mounted, or the nearest that is known
	known  bool   // the rest was found out
	size   int64  // bytes
	free   int64  // of them, to whoever is not root
	kept   int64  // of them, for root alone
	inodes int64  // in all; 0: it has no such number
	left   int64  // of them
}

// roomLimit is how long a disk may take to tell of itself: it has just answered.
const roomLimit = time.Second

// roomAt looks at the file system of a path, which need not be there.
func roomAt(path string) room {
	told := make(chan room, 1)
	go func() { told <- lookAtRoom(path) }()
	select {
	case r := <-told:
		return r
	case <-time.After(roomLimit):
		return room{mount: filepath.Dir(path)}
	}
}

func lookAtRoom(path string) room {
	at := filepath.Dir(path)
	var st unix.Statfs_t
	err := unix.Statfs(at, &st)
	for errors.Is(err, unix.ENOENT) && at != "/" && at != "." {
		at = filepath.Dir(at)
		err = unix.Statfs(at, &st)
	}
	if err != nil {
		return room{mount: at}
	}
	return room{mount: mountOf(at), known: true, size: int64(st.Blocks) * st.Bsize, free: int64(st.Bavail) * st.Bsize,
		kept: int64(st.Bfree-min(st.Bavail, st.Bfree)) * st.Bsize, inodes: int64(st.Files), left: int64(st.Ffree)}
}

// mountOf is the highest folder above at that is on the same device.
func mountOf(at string) string {
	if folder, err := filepath.EvalSymlinks(at); err == nil {
		at = folder
	}
	var here, above unix.Stat_t
	if unix.Stat(at, &here) != nil {
		return at
	}
	for at != "/" && at != "." && unix.Stat(filepath.Dir(at), &above) == nil && above.Dev == here.Dev {
		at = filepath.Dir(at)
	}
	return at
}

// next is what there is to do about a refusal. The numbers are those of the moment after:
// somebody may have made room.
func (r room) next(refusal error) string {
	where := "the file system at " + r.mount
	switch {
	case errors.Is(refusal, syscall.EROFS):
		return fmt.Sprintf("%s is mounted read-only: mount it writable (mount -o remount,rw %s); where nobody did that, dmesg says what is wrong with its disk", where, r.mount)
	case errors.Is(refusal, syscall.EDQUOT):
		return fmt.Sprintf("the quota on %s is used up: raise it, or remove files there (quota -v)", where)
	case !r.known:
		return fmt.Sprintf("free space on %s (df %s)", where, r.mount)
	case r.inodes > 0 && r.left == 0:
		return fmt.Sprintf("%s has no inode left of %d: remove files there, as old sessions and caches, or move them elsewhere (df -i %s)", where, r.inodes, r.mount)
	case r.kept > 0 && r.free == 0:
		return fmt.Sprintf("%s has %s left of %s, for root alone: free space there (du -xh %s | sort -h)", where, words.Size(r.kept), words.Size(r.size), r.mount)
	}
	return fmt.Sprintf("%s has %s left of %s: free space there (du -xh %s | sort -h)", where, words.Size(r.free), words.Size(r.size), r.mount)
}
