package specdir

import (
	"time"

	"github.com/spf13/afero"
	"github.com/spf13/afero/mem"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// DiskLimit is how long a disk may take to say one thing.
const DiskLimit = time.Second

// HostOptions are those of this process for reading specs.
func HostOptions() hclspec.Options { return hostOptions(openNamed) }

func hostOptions(open func(name string) (afero.File, error)) hclspec.Options {
	o := hclspec.Host()
	o.OpenFile = open
	return o
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
