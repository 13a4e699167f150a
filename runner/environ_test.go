package runner

import (
	"testing"
)

// wsgi.multiprocess is what is so at the time of the request, also for a worker
// that was started when it was otherwise.
func TestMultiprocessFollowsTheWorkers(t *testing.T) {
	t.Parallel()
	a, h, ways := everyWay(t, pepApp, nil, nil)
	st, err := h.Status(a.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	first := pids(st)
	check := func(want bool) {
		t.Helper()
		for _, w := range ways {
			if got := w.environ(t, "GET /environ HTTP/1.1\r\nHost: h\r\n\r\n")["wsgi.multiprocess"]; got != want {
				t.Errorf("%s: wsgi.multiprocess is %v, want %v", w.name, got, want)
			}
		}
	}
	scale := func(lo, hi, workers int) {
		t.Helper()
		if err := h.Scale(a.ctx(), lo, hi); err != nil {
			t.Fatal(err)
		}
		st = a.wait(h, func(st Status) bool { return st.State == StateReady && len(st.Workers) == workers })
	}
	check(false)
	scale(1, 2, 1) // another may be started at any time
	for pid := range pids(st) {
		if !first[pid] {
			t.Errorf("worker %d was started anew: the test shows nothing", pid)
		}
	}
	check(true)
	scale(2, 2, 2)
	for range 10 { // whichever answers
		check(true)
	}
	scale(1, 1, 1)
	check(false)
	a.checkValidator()
}
