package appspec

import (
	"testing"
	"time"
)

// between tells whether a delay is the one that is meant or up to a quarter longer.
func between(got, want time.Duration) bool { return got >= want && got <= want*5/4 }

func TestRestartDelay(t *testing.T) {
	t.Parallel()
	r := Restart{MinDelay: Duration(time.Second), MaxDelay: Duration(time.Minute)}
	for n := 1; n < 200; n++ {
		want := time.Minute
		if n < 7 {
			want = time.Second << (n - 1)
		}
		for range 20 {
			if d := r.Delay(n); !between(d, want) {
				t.Fatalf("delay %d is %v, want %v or up to a quarter more", n, d, want)
			}
		}
	}
	if d := (Restart{}).Delay(3); !between(d, 4*time.Second) {
		t.Errorf("without a restart block the third delay is %v, want 4s", d)
	}
	if d := (Restart{MinDelay: Duration(24 * time.Hour), MaxDelay: Duration(24 * time.Hour)}).Delay(30); !between(d, 24*time.Hour) {
		t.Errorf("a delay of a day became %v", d)
	}
	seen := map[time.Duration]bool{}
	for range 20 {
		seen[r.Delay(5)] = true
	}
	if len(seen) < 2 {
		t.Error("apps that failed together retry together")
	}
}

func TestBackoffOfDeaths(t *testing.T) {
	t.Parallel()
	r := Restart{MinDelay: Duration(time.Second), MaxDelay: Duration(time.Minute), ResetAfter: Duration(time.Minute)}
	var b Backoff
	for i, c := range []struct{ ready, want time.Duration }{
		{time.Hour, 0}, {time.Second, time.Second}, {time.Second, 2 * time.Second}, {time.Second, 4 * time.Second}, {2 * time.Minute, 0}, {time.Second, time.Second},
	} {
		if d := b.Died(r, c.ready); !between(d, c.want) {
			t.Errorf("death %d: waits %v, want %v or up to a quarter more", i, d, c.want)
		}
	}
	b.Reset()
	if d := b.Failed(r); b.Failing() != true || !between(d, time.Second) {
		t.Errorf("the first failure after a reset waits %v, want 1s", d)
	}
}
