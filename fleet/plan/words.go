package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Kind is the one word for what happens to an app: the kind of disruption, or
// where no spec changes what is done.
func (p *AppPlan) Kind() string {
	kind := ""
	for _, a := range p.Actions {
		switch kinds[a.Kind].word {
		case wordFirst:
			return string(a.Kind)
		case wordDisruption:
			return p.Disruption.String()
		case wordLast:
			kind = cmp.Or(kind, string(a.Kind))
		case wordOwn:
			kind = string(a.Kind)
		}
	}
	if kind == "" || len(p.Changes) > 0 {
		return p.Disruption.String()
	}
	return kind
}

// Cost is what carrying out a change costs. What only a deploy reads costs
// nothing, and nothing comes of it before one.
func Cost(change appspec.Change) string {
	if change.Disruption == appspec.Nothing {
		return "takes effect at the next deploy"
	}
	return change.Disruption.String()
}

// Changed tells whether there is anything to do for the app.
func (p *AppPlan) Changed() bool { return len(p.Actions) > 0 || len(p.Changes) > 0 }

// Digest tells plans apart that would do something else. Words that change by
// themselves, as the time until a next try does, do not count.
func (p *Plan) Digest() string {
	h := sha256.New()
	e := json.NewEncoder(h)
	for i := range p.Apps {
		a := &p.Apps[i]
		if !a.Changed() || a.Upkeep {
			continue
		}
		steps := make([]Action, len(a.Actions))
		for i, s := range a.Actions {
			steps[i] = Action{Kind: s.Kind, Detail: s.Detail}
		}
		// Of secrets that change, the digest of the spec tells; nobody is shown it.
		_ = e.Encode([]any{a.App, a.Disruption, a.Changes, steps, a.Digest, a.Error != ""})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Changed tells whether there is anything to do.
func (p *Plan) Changed() bool {
	return slices.ContainsFunc(p.Apps, func(a AppPlan) bool { return a.Changed() })
}
