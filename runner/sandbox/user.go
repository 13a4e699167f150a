package sandbox

import (
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// User is whom the workers run as. The one who starts a master finds it
// out: the libraries of the user database stay out of the masters.
type User struct {
	appdir.Owner

	Change bool // we are root and must change to it
}

// ResolveUser says whom the workers run as: see appdir.ResolveOwner.
func ResolveUser(spec *appspec.Spec) (User, error) {
	root := os.Geteuid() == 0
	o, err := appdir.ResolveOwner(spec, root)
	if err != nil {
		return User{}, err
	}
	return User{Owner: o, Change: root && o.UID != 0}, nil
}
