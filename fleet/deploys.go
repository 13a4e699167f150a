package fleet

import (
	"context"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
)

// Deploys reads the logbooks of apps, of all without a name, the newest first.
func (p *operations) Deploys(ctx context.Context, apps []string) ([]*deploy.Entry, error) {
	chosen, _, err := p.choose(ctx, "list the deploys of", apps)
	if err != nil && len(chosen) == 0 {
		return nil, err
	}
	all := []*deploy.Entry{}
	for _, app := range chosen {
		es, err := p.core.Store.Book(app).List()
		if err != nil && len(es) == 0 {
			return nil, err
		}
		all = append(all, es...)
	}
	slices.SortStableFunc(all, func(a, b *deploy.Entry) int { return strings.Compare(b.ID, a.ID) })
	return all, nil
}
