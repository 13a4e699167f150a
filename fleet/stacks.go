package fleet

import (
	"context"
	"net/url"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Stacks see Operator.
func (c *Client) Stacks(ctx context.Context, app string) ([]runner.ThreadStack, error) {
	var s []runner.ThreadStack
	return s, c.getAgain(ctx, "/v1/stacks?"+url.Values{"app": {app}}.Encode(), &s)
}

// Stacks see Operator. Masters that drain are asked too: what keeps them is a long request.
func (p *operations) Stacks(ctx context.Context, app string) ([]runner.ThreadStack, error) {
	names, _, err := p.choose(ctx, "get stacks of", []string{app})
	if len(names) == 0 {
		return nil, err // a directory that cannot be read keeps nobody from asking
	}
	_, o := p.core.Look(ctx, app)
	if o.FindErr != nil {
		return nil, o.FindErr
	}
	all := []runner.ThreadStack{}
	for _, m := range o.All() {
		if m.Handle == nil {
			continue
		}
		stacks, err := m.Handle.Stacks(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, stacks...)
	}
	return all, nil
}
