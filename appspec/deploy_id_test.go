package appspec

import (
	"testing"
	"time"
)

// Ids of deploys sort by the order in which the deploys began.
func TestDeployID(t *testing.T) {
	now := time.Date(2026, 11, 28, 20, 50, 7, 0, time.UTC)
	for newest, want := range map[string]string{
		"":                    "20261128-205007",
		"20261128-205006":     "20261128-205007",
		"20261128-205006.012": "20261128-205007",
		"20261128-205007":     "20261128-205007.001",
		"20261128-205007.001": "20261128-205007.002",
		"20261129-000000":     "20261129-000000.001", // the clock was set back
	} {
		if got := DeployID(now, newest); got != want || got <= newest {
			t.Errorf("behind %q: %q, want %q", newest, got, want)
		}
	}
}
