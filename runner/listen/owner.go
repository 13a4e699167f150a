package listen

import (
	"fmt"
	"os"
	"os/user"
	"strconv"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// socketOwner is the owner of a unix socket: the app's user unless the spec
// names another.
func socketOwner(spec *appspec.Spec, s *appspec.HTTPSocket) (uid, gid int, err error) {
	if s.Owner == "" || s.Group == "" { // else it counts nothing whose the folder is, which may be gone
		o, err := appdir.ResolveOwner(spec, os.Geteuid() == 0)
		if err != nil {
			return 0, 0, err
		}
		uid, gid = o.UID, o.GID
	}
	if s.Owner != "" {
		u, err := user.Lookup(s.Owner)
		if err != nil {
			return 0, 0, fmt.Errorf("owner %q does not exist", s.Owner)
		}
		uid, _ = strconv.Atoi(u.Uid)
	}
	if s.Group != "" {
		g, err := user.LookupGroup(s.Group)
		if err != nil {
			return 0, 0, fmt.Errorf("group %q does not exist", s.Group)
		}
		gid, _ = strconv.Atoi(g.Gid)
	}
	return uid, gid, nil
}
