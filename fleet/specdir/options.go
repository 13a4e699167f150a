package specdir

import (
	"os"
	"time"

	"github.com/spf13/afero"
	"github.com/spf13/afero/mem"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// DiskLimit is how long a disk may take to say one thing.
const DiskLimit = time.Second

// HostOptions are those of this process for reading specs.
func HostOptions() hclspec.Options { return hostOptions(openNamed) }

func hostOptions(open func(name string) (afero.File, error)) hclspec.Options {
	o := hclspec.Host()
	o.OpenFile, o.Unreadable = open, unreadable
	return o
}

// unreadable see hclspec.Options.
func unreadable(s *appspec.Spec, path string, folder bool) (u hclspec.Unreadable) {
	root := os.Geteuid() == 0
	owner, err := appdir.ResolveOwner(s, root)
	if err != nil || owner.UID == 0 {
		return u // the plan of the app says it
	}
	var as *child.Account // who this process is
	if root {
		as = &child.Account{UID: owner.UID, GID: owner.GID, Groups: owner.Groups, Name: owner.Name}
	}
	why, instead := appdir.Unreadable(path, owner)
	if why != "" && !as.MayRead(path, folder) { // else an access control list may let it
		return hclspec.Unreadable{User: owner.Name, Why: why, Instead: instead}
	}
	return hclspec.Unreadable{User: owner.Name, Open: appdir.OpenToOthers(path, owner)}
}

// openNamed opens a file that a spec names, which may lie in an app folder.
func openNamed(name string) (afero.File, error) {
	f, err := appdir.OpenNamed(name)
	if err != nil {
		return nil, err // no *os.File that is nil
	}
	return f, nil
}

// NeutralOptions read specs as no machine in particular does: what only those can tell
// that run the apps is not looked for. From them all hosts learn the same of the same
// texts.
func NeutralOptions() hclspec.Options {
	return hclspec.Options{Root: true, Systemd: true, Elsewhere: true, CPUs: 1,
		LookupEnv: func(string) (string, bool) { return "", true },
		OpenFile:  func(name string) (afero.File, error) { return mem.NewReadOnlyFileHandle(mem.CreateFile(name)), nil }}
}
