package state

import (
	"fmt"
	"os"
	"os/user"
	"strconv"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Account is whom the gate runs as; empty names: whoever we are.
type Account struct {
	User, Group string
	GID         int
}

// gateUsers are the users that a gate may run as, the first that there is: one of its
// own, else the one that owns nothing.
var gateUsers = []string{"wsgid-gate", "nobody"}

// GateAccount is whom a gate runs as on this machine.
func GateAccount() Account {
	if os.Geteuid() != 0 {
		return Account{GID: -1}
	}
	for _, name := range gateUsers {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			continue
		}
		a := Account{User: name, GID: gid}
		if g, err := user.LookupGroupId(u.Gid); err == nil {
			a.Group = g.Name
		}
		return a
	}
	return Account{User: gateUsers[0], GID: -1} // the start of the gate says that there is none
}

// makeGateSockets makes the folder of the sockets at which masters take connections
// over. The gate's group may look for a name in it, nobody may change it.
func (s *Store) makeGateSockets() error {
	dir := runner.GateSockets(s.Dir)
	fail := func(err error) error { return fmt.Errorf("cannot make directory %s: %w", dir, bounded.Reason(err)) }
	if err := s.FS.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return fail(err)
	}
	a := GateAccount()
	if a.GID < 0 {
		return nil
	}
	if err := s.FS.Chown(dir, 0, a.GID); err != nil {
		return fail(err)
	}
	if err := s.FS.Chmod(dir, 0o750); err != nil {
		return fail(err)
	}
	return nil
}
