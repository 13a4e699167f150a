package console

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// stacksView is where the requests of an app are, the one that has been at work longest
// first.
type stacksView struct {
	App    string
	Stacks []runner.ThreadStack
}

// stacksPage asks for it once: who wants it again asks again, as every time disturbs the
// app a little.
func (c *Console) stacksPage(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("app")
	stacks, err := c.fleet.Stacks(r.Context(), name)
	if unknown := (*fleet.UnknownAppError)(nil); errors.As(err, &unknown) {
		c.notPossible(w, r, http.StatusNotFound, noApp)
		return
	}
	if err != nil {
		c.notPossible(w, r, http.StatusConflict, err.Error())
		return
	}
	slices.SortStableFunc(stacks, func(a, b runner.ThreadStack) int { return a.Since.Compare(b.Since) })
	c.render(w, r, http.StatusOK, "stacks", &stacksView{name, stacks}, titled("fleet", "Stacks of "+name))
}

// Long tells whether a request has been at work for so long that somebody may want to know
// what it is at.
func (v *appView) Long(now, since time.Time) bool { return now.Sub(since) >= 5*time.Second }
