package fleet

import (
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
)

// patience bounds every wait for something that must happen, on however busy a
// machine.
const patience = fleettest.Patience

// eventually waits until the condition holds; what says what is waited for.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	fleettest.Eventually(t, what, ok)
}

func eventuallyIn(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	fleettest.EventuallyIn(t, limit, what, ok)
}
