package fleet

import (
	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// folders checks and repairs app folders (package runner/appdir).
type folders interface {
	// check says what repair would touch, path by path.
	check(spec *appspec.Spec) ([]string, error)
	repair(spec *appspec.Spec) error
}

type appFolders struct{ fs afero.Fs }

func (f appFolders) check(*appspec.Spec) ([]string, error) { return nil, nil }

func (f appFolders) repair(*appspec.Spec) error { return nil }
