package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// A staged directory is planned against the running fleet before its files take the
// place of those that run. Who asks has read it, with his own rights; the daemon
// compares, and opens nothing that a staged spec names but the app folders.

// staged is the body of such a question.
type staged struct {
	Dir            string                   `json:"dir"`
	Specs          map[string]*appspec.Spec `json:"specs"`
	Faults         []hclspec.Fault          `json:"faults,omitempty"`
	Empty          []string                 `json:"empty,omitempty"`
	DefaultsBroken bool                     `json:"defaults_broken,omitempty"`
	Apps           []string                 `json:"apps,omitempty"` // the wanted ones; none: all
}

// maxStaged is how long the specs of a directory may be.
const maxStaged = 256 << 20

// PlanStaged asks what Apply would do if the daemon's directory were as the set says.
func (c *Client) PlanStaged(ctx context.Context, set *hclspec.Set, apps []string) (*plan.Plan, error) {
	body, err := json.Marshal(staged{Dir: set.Dir, Specs: set.Specs, Faults: set.Faults, Empty: set.Empty, DefaultsBroken: set.DefaultsBroken, Apps: apps})
	if err != nil {
		return nil, err
	}
	var p plan.Plan
	if err := c.again(ctx, func() error {
		return c.read(ctx, http.MethodPost, "/v1/plan", bytes.NewReader(body), &p)
	}); err != nil {
		return nil, err
	}
	p.Faults = set.Faults // as they are called where they stand
	return &p, nil
}

// planStaged answers it.
func (p *operations) planStaged(ctx context.Context, s staged) (*plan.Plan, error) {
	dir := p.core.opts.Dir
	moved := func(file string) string {
		if rel, err := filepath.Rel(s.Dir, file); err == nil && filepath.IsLocal(rel) {
			return filepath.Join(dir, rel)
		}
		return file
	}
	set := &hclspec.Set{Dir: dir, Specs: s.Specs, DefaultsBroken: s.DefaultsBroken}
	if set.Specs == nil {
		set.Specs = map[string]*appspec.Spec{}
	}
	for name, spec := range set.Specs {
		if spec == nil || spec.Name != name || !filepath.IsAbs(spec.Path) && spec.Gate == nil || !state.IsApp(name) {
			return nil, fmt.Errorf("cannot plan %s: the data sent for app %q is not a spec", s.Dir, name)
		}
		spec.File = moved(spec.File)
	}
	for _, f := range s.Faults {
		f.File = moved(f.File)
		set.Faults = append(set.Faults, f)
	}
	for _, file := range s.Empty {
		set.Empty = append(set.Empty, moved(file))
	}
	p.core.Dir.Complete(set)
	known, err := p.core.Store.Apps()
	if err != nil {
		return nil, err
	}
	all := plan.Names(set, known)
	if err := unknownApps(s.Dir, "plan", s.Apps, all); err != nil {
		return nil, err
	}
	if set.DefaultsBroken && len(set.Faults) == 0 {
		return nil, errors.New("cannot plan: the defaults are broken, and no diagnostic says how")
	}
	chosen := all
	if len(s.Apps) > 0 {
		chosen = slices.Compact(slices.Sorted(slices.Values(s.Apps)))
	}
	return p.core.planAll(ctx, set, chosen, len(s.Apps) > 0), nil
}
