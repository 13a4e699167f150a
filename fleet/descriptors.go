package fleet

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

// What a daemon has open for itself, and for each app: its sockets, the way to its master and
// what a pass over it opens.
const (
	ownDescriptors = 64
	appDescriptors = 4
)

// fewDescriptors says that a process which may have so many files open has too few for its apps;
// empty: it has enough. It goes on, and each app tells what it could not do.
func fewDescriptors(limit uint64, apps int) string {
	need := uint64(ownDescriptors + appDescriptors*apps)
	if limit >= need {
		return ""
	}
	return fmt.Sprintf("the daemon may have %d files open, and %s need about %d: some will not start, and edits will not be carried out; give it more: LimitNOFILE=65536 in its unit, or ulimit -n",
		limit, words.Count(apps, "app"), need)
}

// countDescriptors says once that there are too few of them, before anything fails for it.
func (d *Daemon) countDescriptors(set *hclspec.Set) {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	why := fewDescriptors(limit.Cur, len(set.Specs))
	if why != "" && !d.toldFew {
		d.core.Log.Warn(why)
	}
	d.toldFew = why != ""
}
