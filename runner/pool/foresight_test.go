package pool

import (
	"testing"
	"time"
)

func TestRouteOf(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"GET /report", "GET /report?year=2025", true},
		{"GET /report/17", "GET /report/18/", false},
		{"GET /report/17", "GET /report/4f-9", true},
		{"GET /report/17/print", "GET /report/18/print", true},
		{"GET /report/17/print", "GET /report/18/show", false},
		{"GET /report", "POST /report", false},
		{"GET /a", "GET /b", false},
		{"GET /a/1", "GET /b/1", false},
	} {
		if same := routeOf([]byte(tt.a)) == routeOf([]byte(tt.b)); same != tt.same {
			t.Errorf("%s and %s are of one route: %t, want %t", tt.a, tt.b, same, tt.same)
		}
	}
}

// What is slow is so beside the rest, and by more than one request.
func TestForesight(t *testing.T) {
	const ms = int64(time.Millisecond)
	for name, tt := range map[string]struct {
		others, report int64 // what they take, in milliseconds
		of             int   // one in so many requests is the report
		slow           bool
	}{
		"one in ten":           {1, 100, 10, true},
		"one in three":         {1, 100, 3, false},
		"all alike":            {100, 100, 10, false},
		"twice the others":     {50, 100, 10, false},
		"slow, but not long":   {0, 8, 10, false},
		"one in ten, and long": {1, 30_000, 10, true},
	} {
		t.Run(name, func(t *testing.T) {
			var f foresight
			for i := range 500 {
				if i%tt.of == 0 {
					f.note([]byte("GET /report/1"), tt.report*ms)
				} else {
					f.note([]byte("GET /"), tt.others*ms)
				}
			}
			if d := f.expects([]byte("GET /report/2")); (d > 0) != tt.slow {
				t.Errorf("the report is thought to take %v, of %v on average", d, time.Duration(f.mean))
			} else if want := time.Duration(tt.report * ms); tt.slow && (d < want*9/10 || d > want) {
				t.Errorf("the report is thought to take %v, it takes %v", d, want)
			}
			if d := f.expects([]byte("GET /")); d != 0 {
				t.Errorf("the others are thought to take %v", d)
			}
		})
	}
	var f foresight
	for range 100 {
		f.note([]byte("GET /"), ms)
	}
	f.note([]byte("GET /once"), 30*ms) // a pause of the machine
	if d := f.expects([]byte("GET /once")); d != 0 {
		t.Errorf("what was slow once is thought to take %v", d)
	}
	for range 5 {
		f.note([]byte("GET /once"), 300*ms)
	}
	if f.expects([]byte("GET /once")) == 0 {
		t.Error("what is slow again and again is not known to be")
	}
	for range 50 {
		f.note([]byte("GET /once"), ms)
	}
	if d := f.expects([]byte("GET /once")); d != 0 {
		t.Errorf("what is quick now is thought to take %v", d)
	}
}
