package fleet

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// closingTime is how long a master that drains may take to stop listening.
const closingTime = 2 * time.Second

// socketFiles are the unix sockets that an app has listened on, by the specs
// that the store knows, but for those of the spec that stays (nil: none).
func (r Remembered) socketFiles(stays *appspec.Spec) map[*appspec.HTTPSocket]*appspec.Spec {
	specs := []*appspec.Spec{r.LastGood}
	if r.Applied != nil {
		specs = append(specs, r.Applied.Spec, r.Applied.Before)
	}
	out := map[*appspec.HTTPSocket]*appspec.Spec{}
	seen := map[string]bool{}
	if stays != nil {
		for _, s := range stays.Sockets.HTTP {
			seen[s.Listen] = true
		}
	}
	for _, spec := range specs {
		if spec == nil {
			continue
		}
		for i := range spec.Sockets.HTTP {
			s := &spec.Sockets.HTTP[i]
			if strings.HasPrefix(s.Listen, "unix:") && !seen[s.Listen] {
				seen[s.Listen] = true
				out[s] = spec
			}
		}
	}
	return out
}

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
	files := o.socketFiles(spec)
	if len(files) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closingTime)
	defer cancel()
	a.idle(func() {
		for _, m := range o.Masters {
			leaving(ctx, m.master)
		}
	})
	removeSocketFiles(a.log, files)
}
