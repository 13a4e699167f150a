package console

import (
	"context"
	"fmt"
	"net/http"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

// planView is the page of the plan.
type planView struct {
	Apps    []planApp // those with something to do or an error
	Same    int
	Faults  []hclspec.Fault
	Notes   []string
	Digest  string // signed; empty: there is nothing to do
	Changed int
	Problem string // why the last apply was refused
}

type planApp struct {
	Name, File, Kind, Why, Error string
	Changes                      []planChange
	Steps                        []planStep
}

type planChange struct{ Path, Old, New, Cost, Tone string }

type planStep struct {
	Kind, Reason string
	Detail       []string
}

func (c *Console) planView(ctx context.Context) (*planView, error) {
	plan, err := c.fleet.Plan(ctx, nil)
	if err != nil {
		return nil, err
	}
	v := &planView{Faults: plan.Faults, Notes: plan.Warnings}
	for i := range plan.Apps {
		a := &plan.Apps[i]
		if !a.Changed() && a.Error == "" {
			v.Same++
			continue
		}
		if a.Changed() {
			v.Changed++
		}
		v.Apps = append(v.Apps, planOf(a))
	}
	if plan.Changed() {
		// Signed, so that it tells nobody anything of a secret that changes.
		v.Digest = c.sign("plan", plan.Digest())
	}
	return v, nil
}

func planOf(a *plan.AppPlan) planApp {
	p := planApp{Name: a.App, File: a.File, Why: clean(a.Why), Error: clean(a.Error)}
	if a.Changed() {
		p.Kind = a.Kind()
	}
	for _, ch := range a.Changes {
		p.Changes = append(p.Changes, changeOf(ch))
	}
	for _, s := range a.Actions {
		if len(s.Detail) == 0 && (clean(s.Reason) == p.Why || s.Reason == "") {
			continue // said already
		}
		step := planStep{Kind: string(s.Kind), Reason: clean(s.Reason)}
		for _, d := range s.Detail {
			step.Detail = append(step.Detail, clean(d))
		}
		p.Steps = append(p.Steps, step)
	}
	return p
}

func changeOf(ch appspec.Change) planChange {
	return planChange{Path: ch.Path, Old: clean(ch.Old), New: clean(ch.New), Cost: plan.Cost(ch), Tone: tone(ch.Disruption.String())}
}

// Line is the sum, as the command writes it.
func (v *planView) Line() string {
	if v.Changed == 0 {
		if held := len(v.Apps); held > 0 {
			return fmt.Sprintf("Nothing to do for %s; an error blocks %s.", words.Count(v.Same, "app"), words.Count(held, "app"))
		}
		return fmt.Sprintf("Nothing to do for %s.", words.Count(v.Same, "app"))
	}
	return fmt.Sprintf("%s to change; %d unchanged.", words.Count(v.Changed, "app"), v.Same)
}

func (c *Console) planPage(w http.ResponseWriter, r *http.Request) {
	c.showPlan(w, r, http.StatusOK, "")
}

func (c *Console) showPlan(w http.ResponseWriter, r *http.Request, code int, problem string) {
	v, err := c.planView(r.Context())
	if err != nil {
		c.notPossible(w, r, http.StatusConflict, err.Error())
		return
	}
	v.Problem = problem
	c.render(w, r, code, "plan", v)
}

// apply carries out the plan that was shown, or none.
func (c *Console) apply(w http.ResponseWriter, r *http.Request) {
	plan, err := c.fleet.Plan(r.Context(), nil)
	if err != nil {
		c.notPossible(w, r, http.StatusConflict, err.Error())
		return
	}
	digest := plan.Digest()
	if !c.signed("plan", digest, r.PostForm.Get("digest")) {
		c.showPlan(w, r, http.StatusConflict, "The plan has changed, so nothing was done. This is the new plan.")
		return
	}
	c.do(w, r, "apply the plan", func(ctx context.Context, progress func(fleet.Event)) ([]fleet.Result, error) {
		return c.fleet.ApplyPlan(ctx, digest, progress)
	})
}
