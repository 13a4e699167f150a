package hclspec

import (
	"os"
	"os/user"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Options is what the checks must know of the host and of the process that will
// run the apps. The zero value is an ordinary user without systemd; Host is
// what holds here.
type Options struct {
	Root    bool   // the daemon is root: it may run apps as any user, and in a chroot
	User    string // the daemon's user where it is not root; empty: any name is taken
	Systemd bool   // systemd runs the host: limits.memory, cpu and tasks hold

	// UserExists and GroupExists tell whether the host has a user or group that a
	// spec names; nil: any name is taken.
	UserExists, GroupExists func(name string) bool

	// Unreadable says why the user of an app may not read a file that its deploys take, or list
	// a folder. nil: nobody is asked.
	Unreadable func(s *appspec.Spec, path string, folder bool) Unreadable

	// Elsewhere tells that the specs are for other machines: what only those can tell
	// (interpreters, accounts, folders) is not looked for.
	Elsewhere bool

	// Cache spares reading files that did not change; nil: all are read. One cache
	// is for one directory.
	Cache *Cache

	// LookupEnv is what env() asks; nil: os.LookupEnv.
	LookupEnv func(string) (string, bool)
	// CPUs is what num_cpus() answers; 0: as many as this process may use.
	CPUs int

	// OpenFile opens what file() names; nil: the file system does. A file there may
	// lie in a folder of an app's, whose links root must not follow.
	OpenFile func(name string) (afero.File, error)

	files   afero.Fs   // of environment files
	asked   *asked     // notes what the functions of a file ask
	counted func() int // what hostCPUs answers during one load
}

// Unreadable is what keeps the user of an app from a file.
type Unreadable struct {
	User    string // whom it is about
	Why     string // empty: nothing keeps the user from it
	Instead string // empty: that depends on what the file is for
	Open    bool   // others than its owner, who is the user, may read it
}

// ForDeploy marks the warnings of what the next deploy of an app will miss, as their Extra.
type ForDeploy struct{ App string }

// Host returns the options that hold for this process.
func Host() Options {
	o := Options{Root: os.Geteuid() == 0}
	if o.Root {
		o.UserExists, o.GroupExists = hostHasUser, hostHasGroup
	} else {
		if u, err := user.Current(); err == nil {
			o.User = u.Username
		}
	}
	if info, err := os.Lstat("/run/systemd/system"); err == nil && info.IsDir() {
		o.Systemd = true
	}
	return o
}

func (o Options) lookupEnv(name string) (string, bool) {
	lookup := o.LookupEnv
	if lookup == nil {
		lookup = os.LookupEnv
	}
	value, ok := lookup(name)
	o.asked.envIs(name, value, ok)
	return value, ok
}

func (o Options) cpus() int {
	switch {
	case o.CPUs > 0:
		return o.CPUs
	case o.counted != nil:
		return o.counted()
	}
	return hostCPUs()
}

// Load reads a spec directory with the options of this host. See Options.Load.
func Load(fsys afero.Fs, dir string) (*Set, error) { return Host().Load(fsys, dir) }
