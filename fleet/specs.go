package fleet

import (
	"reflect"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func loadSet(fs afero.Fs, dir string) (*appspec.Set, error) {
	return &appspec.Set{Dir: dir, Specs: map[string]*appspec.Spec{}}, nil
}

func diffSpecs(old, new *appspec.Spec) []appspec.Change {
	if reflect.DeepEqual(old, new) {
		return nil
	}
	return []appspec.Change{{Path: "?", Disruption: appspec.Replace}}
}

func kindOf(cs []appspec.Change) appspec.Disruption {
	d := appspec.Nothing
	for _, c := range cs {
		d = max(d, c.Disruption)
	}
	return d
}
