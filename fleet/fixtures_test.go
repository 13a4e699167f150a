package fleet

import (
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan/plantest"

	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
)

// Specs and masters of the tests of pure functions.
var (
	testSpec = fleettest.Spec
	withApp  = fleettest.WithApp
	disabled = fleettest.Disabled
	seen     = plantest.Master
	draining = plantest.Draining
	silent   = plantest.Silent

	now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)
