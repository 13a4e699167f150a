package specdir

import (
	"os"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
)

// LoadForHosts reads a directory that is for other machines. What env() and file() give there
// nobody knows here: it is read as no machine in particular does, with something in its place,
// and, where faults are found, with what this machine has. A fault is one of the texts if it
// stands whatever was given.
func LoadForHosts(fsys afero.Fs, dir string) (*hclspec.Set, error) {
	set, err := NeutralOptions().Load(fsys, dir)
	if err != nil || len(set.Faults) == 0 {
		return set, err
	}
	something, own := NeutralOptions(), NeutralOptions()
	something.LookupEnv = func(string) (string, bool) { return "1", true }
	own.LookupEnv = func(name string) (string, bool) {
		if value, ok := os.LookupEnv(name); ok {
			return value, true
		}
		return something.LookupEnv(name)
	}
	own.OpenFile = func(name string) (afero.File, error) {
		if f, err := openNamed(name); err == nil {
			return f, nil
		}
		return something.OpenFile(name)
	}
	for _, o := range []hclspec.Options{something, own} {
		other, err := o.Load(fsys, dir)
		if err != nil {
			return nil, err
		}
		set.Both(other)
	}
	return set, nil
}
