package reconcile

import (
	"slices"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func TestBackoffDelay(t *testing.T) {
	r := appspec.Restart{MinDelay: appspec.Duration(time.Second), MaxDelay: appspec.Duration(time.Minute)}
	for n := 1; n < 200; n++ {
		for _, c := range []float64{0, 0.5, 0.999} {
			d := Delay(n, r, c)
			plain := time.Minute
			if n < 7 {
				plain = time.Second << (n - 1)
			}
			if d < time.Second || d < plain*8/10 || d > plain*12/10 {
				t.Fatalf("delay %d with chance %v is %v, want %v by a fifth", n, c, d, plain)
			}
		}
	}
	if d := Delay(3, appspec.Restart{}, 0.5); d != 4*time.Second {
		t.Errorf("without a restart block the third delay is %v, want 4s", d)
	}
}

func TestDeaths(t *testing.T) {
	r := appspec.Restart{MinDelay: appspec.Duration(time.Second), MaxDelay: appspec.Duration(time.Minute), ResetAfter: appspec.Duration(time.Minute)}
	var d deaths
	var got []time.Duration
	for _, lived := range []time.Duration{time.Hour, time.Second, time.Second, time.Second, 2 * time.Minute, time.Second} {
		got = append(got, d.next(lived, r, 0.5))
	}
	want := []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 0, time.Second}
	if !slices.Equal(got, want) {
		t.Errorf("waits %v, want %v", got, want)
	}
}
