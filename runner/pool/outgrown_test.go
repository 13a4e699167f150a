package pool

import (
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Replacements for memory that come soon after one another come ever more rarely.
func TestOutgrown(t *testing.T) {
	r := appspec.Restart{MinDelay: appspec.Duration(time.Second), MaxDelay: appspec.Duration(time.Minute), ResetAfter: appspec.Duration(time.Minute)}
	var o outgrown
	now, replaced := int64(0), 0
	for range 1800 { // an hour of looks
		now += int64(2 * time.Second)
		if o.replaces(now, 100, 200, time.Second, r) {
			replaced++
		}
	}
	if replaced < 40 || replaced > 70 {
		t.Errorf("%d workers replaced in an hour, want one a minute at last", replaced)
	}
	if o.reason == "" {
		t.Error("nobody is told")
	}
	if !o.replaces(now, 100, 200, time.Hour, r) || o.reason != "" {
		t.Errorf("a worker that grew for an hour: %+v", o)
	}
}
