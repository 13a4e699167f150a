package fleet

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
)

// What scale takes is what count takes: from one worker to the most there are. What is
// past that is refused with the range, and the app stays as it was.
func TestScaleAndCountHaveOneRange(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	f.Spec("blog", reconciletest.Count(2))
	f.daemon(f.fakeOptions(m))
	most := func() int { st, _ := m.Only(t, "blog").Status(t.Context(), 0); return st.Max }
	eventually(t, "the app runs", func() bool { return m.Count("blog") == 1 && most() == 2 })
	op, err := Connect(context.Background(), Options{Dir: f.Dir, StateDir: f.State})
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	const all = appspec.MaxWorkers
	for n, says := range map[int]string{
		0:       "cannot scale app blog to 0: an app has at least one worker; stop it with: wsgid-fleet stop blog",
		-1:      "cannot scale app blog to -1: the number of workers must be from 1 to " + strconv.Itoa(all),
		all + 1: "cannot scale app blog to " + strconv.Itoa(all+1) + ": the number of workers must be from 1 to " + strconv.Itoa(all),
	} {
		if _, err := op.Scale(t.Context(), map[string]int{"blog": n}, nil); err == nil || err.Error() != says {
			t.Errorf("scale to %d: %v, want %q", n, err, says)
		}
		f.Spec("blog", reconciletest.Count(n))
		eventually(t, "count = "+strconv.Itoa(n)+" is refused", func() bool { return strings.Contains(f.status("blog").Reason, "count") })
		if most() != 2 {
			t.Errorf("count = %d, refused: up to %d workers", n, most())
		}
		f.Spec("blog", reconciletest.Count(2))
		eventually(t, "it is well again", func() bool { return f.status("blog").Reason == "" })
	}
	for _, n := range []int{1, all} {
		f.Spec("blog", reconciletest.Count(n))
		eventually(t, "count = "+strconv.Itoa(n)+" is taken", func() bool { return most() == n })
		f.Spec("blog", reconciletest.Count(2))
		eventually(t, "count = 2 is taken", func() bool { return most() == 2 })
		if _, err := op.Scale(t.Context(), map[string]int{"blog": n}, nil); err != nil || most() != n {
			t.Errorf("scale to %d: %v, up to %d workers", n, err, most())
		}
	}
}
