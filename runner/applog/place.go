package applog

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// DataLog is the log of an app whose folder lies on a read-only disk, relative to
// the data directory.
func DataLog(app string) string { return "logs/" + app + ".log" }

// place chooses where the file is to be opened.
func (l *Log) place() {
	l.dir, l.name = l.root, FileName
	if l.apart == nil || !l.root.ReadOnly() {
		return
	}
	if err := l.apart.Mkdir("logs", 0o700); err == nil || errors.Is(err, fs.ErrExist) {
		l.dir, l.name = l.apart, DataLog(l.app)
	}
}

// path names the file.
func (l *Log) path() string { return l.dir.Path() + "/" + l.name }

// Besides is the data directory as openLog takes it; nil: there is none.
func Besides(data *os.Root) *appdir.RootFs {
	if data == nil {
		return nil
	}
	f, err := data.Open(".")
	if err != nil {
		return nil
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil
	}
	return appdir.FromDescriptor(fd, data.Name())
}
