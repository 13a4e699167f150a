package reconcile

import (
	"context"
	"log/slog"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// closingTime is how long a master that drains may take to stop listening.
const closingTime = 2 * time.Second

// removeSocketFiles removes those on which nobody listens.
func removeSocketFiles(log *slog.Logger, files map[*appspec.HTTPSocket]*appspec.Spec) {
	for s, spec := range files {
		if err := runner.RemoveSocket(spec, s); err != nil {
			log.Warn(err.Error(), "app", spec.Name)
		}
	}
}

// abandonSockets removes the files of the unix sockets that a new spec does not
// name any more, as soon as the masters that drain have closed them.
func (a *Applier) abandonSockets(ctx context.Context, spec *appspec.Spec, o Observed) {
	files := o.SocketFiles(spec)
	if len(files) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closingTime)
	defer cancel()
	a.Idle(func() {
		for _, m := range o.All() {
			leaving(ctx, m.Handle)
		}
	})
	removeSocketFiles(a.Log, files)
}
