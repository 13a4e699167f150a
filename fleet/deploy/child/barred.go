package child

import (
	"cmp"
	"os"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// Barred says what keeps the account from reading a file, or from listing a folder, and what to
// do: the folder on the way that is closed to it, or that it is the path itself, which open says
// what to do about, for USER. Empty: nothing does.
func (a *Account) Barred(path string, folder bool, open string) (why, instead string) {
	if a.MayRead(path, folder) { // where the modes say otherwise, an access control list lets it
		return "", ""
	}
	o := appdir.Owner{UID: os.Geteuid(), GID: os.Getegid(), Name: appdir.UserName(os.Geteuid())}
	if a != nil {
		o = appdir.Owner{UID: a.UID, GID: a.GID, Groups: a.Groups, Name: a.String()}
	} else if groups, err := os.Getgroups(); err == nil {
		o.Groups = groups
	}
	why, instead = appdir.Unreadable(path, o)
	if instead != "" {
		instead += ", or move it to a folder that the user may enter"
	}
	return cmp.Or(why, "the user may not read it"), cmp.Or(instead, strings.ReplaceAll(open, "USER", o.Name))
}
