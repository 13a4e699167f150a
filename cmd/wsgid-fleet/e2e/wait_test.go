package e2e

import (
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// patience bounds every wait for something that must happen, on however busy a
// machine.
const patience = 3 * time.Minute

// eventually asks until ask has no complaint, or fails the test with the last
// one.
func eventually(t testing.TB, limit time.Duration, what string, ask func() error) {
	t.Helper()
	await.Nil(t, limit, what, ask)
}

// wait is for those who go on without.
func wait(limit time.Duration, ask func() error) error { return await.Ask(limit, ask) }
