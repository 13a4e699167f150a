package fleet

import (
	"context"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// tellGate has the gate know the names of apps as the directory was read last, before a command
// says that an app is ready: whoever asks by name then is answered by it. Without a daemon an edit
// of the gate itself waits for an apply that is for the gate, too.
func (p *operations) tellGate(ctx context.Context, progress func(Event)) {
	wants := p.core.GateLags()
	if wants == nil || ctx.Err() != nil {
		return
	}
	if p.daemon() == nil {
		was := p.core.Store.Load(appspec.GateName).LastGood
		if was == nil || runner.Digest(specdir.OwnPart(was)) != runner.Digest(specdir.OwnPart(wants)) {
			return
		}
	}
	out := p.pass(ctx, appspec.GateName, reconcile.Intent{})
	if out.Err != nil && ctx.Err() == nil && progress != nil {
		progress(Event{At: p.core.Now(), App: appspec.GateName, State: "warning", Message: "it does not know the names of the apps as they are now: " + out.Err.Error()})
	}
}
