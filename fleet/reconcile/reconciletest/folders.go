package reconciletest

import (
	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

// Folders are app folders that are as they should be, unless Fail says what is wrong.
type Folders struct{ Fail func(app string) error }

// Check is reconcile.Folders', as are Repair and Around.
func (f Folders) Check(spec *appspec.Spec, _ func(int) bool) ([]string, error) {
	if f.Fail != nil {
		return nil, f.Fail(spec.Name)
	}
	return nil, nil
}

// Repair see Check.
func (f Folders) Repair(spec *appspec.Spec, _ func(int) bool) error {
	if f.Fail != nil {
		return f.Fail(spec.Name)
	}
	return nil
}

// Around see Check: they are nowhere.
func (Folders) Around(afero.Fs, *appspec.Spec) plan.Surroundings { return plan.Surroundings{} }
