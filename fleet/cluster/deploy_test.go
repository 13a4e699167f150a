package cluster

import (
	"strings"
	"testing"
)

// TestTurn: what each of three hosts waits for, at each moment.
func TestTurn(t *testing.T) {
	t.Parallel()
	migrated := []PartStage{{Name: "migrate", Result: "ok"}}
	begin, once, rollout := Moment{}, Moment{Once: "migrate"}, Moment{Rollout: true}
	for name, c := range map[string]struct {
		a, b, c Part
		host    string
		at      Moment
		stop    bool
		lost    string
		waits   string // for whom; empty: it may go on
		never   string // why not
	}{
		"others wait for the commit":              {a: Part{State: Preparing}, host: "b", at: begin, waits: "a"},
		"the commit is known":                     {a: Part{State: Preparing, Commit: "1"}, host: "b", at: begin},
		"what runs once waits for all releases":   {a: Part{State: Prepared}, b: Part{State: Preparing}, c: Part{State: Prepared}, host: "a", at: once, waits: "b"},
		"all have their release":                  {a: Part{State: Prepared}, b: Part{State: Prepared}, c: Part{State: Prepared}, host: "a", at: once},
		"others wait for what runs once":          {a: Part{State: Prepared, Commit: "1"}, host: "c", at: once, waits: "a"},
		"it has run":                              {a: Part{State: Prepared, Commit: "1", Stages: migrated}, host: "c", at: once},
		"the first rolls out":                     {b: Part{State: Prepared}, c: Part{State: Prepared}, host: "a", at: rollout},
		"the second waits for the first":          {a: Part{State: Rolling}, c: Part{State: Prepared}, host: "b", at: rollout, waits: "a"},
		"the second rolls out":                    {a: Part{State: Done}, c: Part{State: Prepared}, host: "b", at: rollout},
		"the third waits for the second":          {a: Part{State: Done}, b: Part{State: Prepared}, host: "c", at: rollout, waits: "b"},
		"the first that fails ends it":            {a: Part{State: Done}, b: Part{State: Failed, Reason: "it does not start; really\nmore"}, host: "c", at: rollout, never: "the deploy has ended on b: it does not start"},
		"who failed by itself is named":           {a: Part{State: Failed, Reason: "rollout: " + waitedFor + "b: no"}, b: Part{State: Failed, Reason: "no"}, host: "c", at: rollout, never: waitedFor + "b: no"},
		"one that is lost is not waited for":      {a: Part{State: Prepared}, b: Part{State: Preparing}, c: Part{State: Prepared}, host: "a", at: rollout, lost: "b", never: "which does not answer: it is gone"},
		"one that is lost and has ended well":     {a: Part{State: Done}, b: Part{State: Done}, host: "c", at: rollout, lost: "b"},
		"it is asked to stop":                     {a: Part{State: Done}, host: "b", at: rollout, stop: true, never: "it was asked to stop"},
		"a later one may be lost for what is now": {a: Part{State: Done}, c: Part{State: Prepared}, host: "b", at: rollout, lost: "c"},
	} {
		d := &Deployment{Order: Order{Hosts: []string{"a", "b", "c"}}, Stop: c.stop, Parts: map[string]Part{"a": c.a, "b": c.b, "c": c.c}}
		waits, err := d.Turn(c.host, c.at, func(h string) string {
			if h == c.lost {
				return "it is gone"
			}
			return ""
		})
		switch {
		case c.never != "":
			if err == nil || !strings.HasSuffix(err.Error(), c.never) {
				t.Errorf("%s: %v, not %q", name, err, c.never)
			}
		case err != nil || waits != c.waits:
			t.Errorf("%s: waits for %q, %v; want %q", name, waits, err, c.waits)
		}
	}
}

// TestOutcome names who failed by itself, who has the release, and who was not reached.
func TestOutcome(t *testing.T) {
	t.Parallel()
	d := &Deployment{Order: Order{Hosts: []string{"a", "b", "c", "d"}}, Parts: map[string]Part{"a": {State: Done}, "b": {State: Failed, Reason: "no"},
		"c": {State: Failed, Reason: "rollout: " + waitedFor + "b: no"}, "d": {State: Rolling}}}
	lost := func(h string) string {
		if h == "d" {
			return "it is gone"
		}
		return ""
	}
	if !d.Over(lost) || d.Over(func(string) string { return "" }) {
		t.Error("it is over when all have ended or are lost, and not before")
	}
	want := "host b has failed: no; host d does not answer: it is gone; the new release is serving on a already; the running app was not changed on c"
	if got := d.Outcome(lost); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for h := range d.Parts {
		d.Parts[h] = Part{State: Done}
	}
	if got := d.Outcome(lost); got != "" || !d.Succeeded() {
		t.Errorf("all have it: %s", got)
	}
}
