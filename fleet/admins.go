package fleet

import (
	"context"
	"os"
	"os/user"
	"slices"
	"strconv"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// AdminGroup is the group whose members may use the control socket of root's
// daemon; where the machine has no such group, nobody but root may. The package
// makes it.
const AdminGroup = "wsgid-admin"

// adminGroup is its number; false: there is none.
func adminGroup() (gid int, ok bool) {
	g, err := user.LookupGroup(AdminGroup)
	if err != nil {
		return 0, false
	}
	gid, err = strconv.Atoi(g.Gid)
	return gid, err == nil
}

// inGroup tells whether this process is in a group.
func inGroup(gid int) bool {
	groups, err := os.Getgroups()
	return err == nil && slices.Contains(groups, gid) || os.Getegid() == gid
}

// shareControl gives a control socket to the admin group, if this is root's fleet
// and there is such a group. The group is looked up when the daemon starts.
func shareControl(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	gid, ok := adminGroup()
	if !ok {
		return nil
	}
	if err := os.Lchown(path, 0, gid); err != nil {
		return err
	}
	return os.Chmod(path, 0o660)
}

// asAdmin is a client of the fleet of another user, if that one's daemon lets this
// process speak to it; nil: it does not. The directory must be that user's alone,
// so that nobody else answers in its place.
func (e *NeighbourError) asAdmin(ctx context.Context) *Client {
	if e.PID == 0 {
		return nil
	}
	if fi, err := os.Lstat(e.StateDir); err != nil || fi.Mode().Perm()&0o022 != 0 {
		return nil
	}
	c, err := dial(ctx, (&state.Store{Dir: e.StateDir}).SocketPath())
	if err != nil {
		return nil
	}
	return c
}
