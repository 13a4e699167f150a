package reconcile

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// surroundingOf looks at what surrounds an app.
func surroundingOf(fsys afero.Fs, spec *appspec.Spec) plan.Surroundings {
	var s plan.Surroundings
	if fi, err := fsys.Stat(spec.Path); err == nil && fi.IsDir() {
		s.Folder = state.FileID(fi.Sys())
	}
	for i := range spec.Sockets.HTTP {
		if h := &spec.Sockets.HTTP[i]; socketFileGone(fsys, h) {
			s.Gone = append(s.Gone, h.Listen)
		}
	}
	return s
}

// socketFileGone tells whether a socket of a spec is a unix socket and no socket's
// file stands at its path: nobody can connect to it, whoever listens.
func socketFileGone(fsys afero.Fs, s *appspec.HTTPSocket) bool {
	path, ok := strings.CutPrefix(s.Listen, "unix:")
	if !ok {
		return false
	}
	fi, err := fsys.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && fi.Mode()&os.ModeSocket == 0
}
