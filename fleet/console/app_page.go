package console

import (
	"net/http"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// appView is the page of one app.
type appView struct {
	App      *fleet.AppStatus
	Reason   string
	Next     string // what to do about the reason
	Last     string // error, where it is not the reason
	Charts   []chart
	Axis     []mark
	Samples  int
	Hour     []chart
	HourAxis []mark
	Restarts []restart
	Deploys  bool
}

type restart struct {
	Why string
	N   uint64
}

const noApp = "There is no app of this name: no spec defines it, and nothing of it is running."

func (c *Console) appPage(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("app")
	st, counters, found := c.fleet.App(r.Context(), name)
	if !found {
		c.notPossible(w, r, http.StatusNotFound, noApp)
		return
	}
	points := c.hub.watch(name)
	v := &appView{App: &st, Reason: clean(st.Reason), Next: clean(st.Next), Samples: len(points)}
	// The reason may be the error and what comes next.
	if last := clean(st.LastError); !strings.HasPrefix(v.Reason, last) {
		v.Last = last
	}
	v.Charts, v.Axis = charts(points)
	v.Hour, v.HourAxis = c.hourChart(name, time.Now())
	if counters != nil {
		for _, why := range []string{"died", "start", "timeout", "memory", "requests", "age", "health", "broke"} {
			if n := counters.Restarts[why]; n > 0 {
				v.Restarts = append(v.Restarts, restart{why, n})
			}
		}
	}
	v.Deploys = st.Release != nil
	c.render(w, r, http.StatusOK, "app", v, titled("fleet", name), live(1))
}

// Busy tells whether a worker is at a request.
func (v *appView) Busy(w runner.WorkerInfo) bool { return w.State == runner.WorkerBusy }

// Gate tells whether it is the gate, which has no folder, workers or log of an app.
func (v *appView) Gate() bool { return v.App.Name == "_gate" }
