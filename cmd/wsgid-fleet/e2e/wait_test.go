package e2e

import (
	"testing"
	"time"
)

// patience bounds every wait for something that must happen, on however busy a
// machine.
const patience = 3 * time.Minute

// eventually asks until ask has no complaint, or fails the test with the last
// one.
func eventually(t testing.TB, limit time.Duration, what string, ask func() error) {
	t.Helper()
	if err := wait(limit, ask); err != nil {
		t.Fatalf("waited %v for %s: %v", limit, what, err)
	}
}

func wait(limit time.Duration, ask func() error) error {
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; {
		err := ask()
		if err == nil || time.Now().After(end) {
			return err
		}
		<-tick.C
	}
}
