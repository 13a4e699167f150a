package hclspec

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/spectest"
)

// TestMergeProperties holds the rules for maps that defaults and app have: the app's keys
// win, the others stay, neither side is changed.
func TestMergeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		under, over := spectest.Object(2).Draw(t, "under"), spectest.Object(2).Draw(t, "over")
		before := appspec.ValueText(under) + appspec.ValueText(over)
		merged := mergeObject(&appspec.Spec{}, "x", under, over)
		if appspec.ValueText(under)+appspec.ValueText(over) != before {
			t.Fatal("a side was changed")
		}
		checkMerged(t, merged, under, over)
	})
}

func checkMerged(t *rapid.T, merged, under, over map[string]any) {
	for k, v := range merged {
		u, inUnder := under[k]
		o, inOver := over[k]
		um, uok := u.(map[string]any)
		om, ook := o.(map[string]any)
		switch {
		case uok && ook:
			checkMerged(t, v.(map[string]any), um, om)
		case inOver && appspec.ValueText(v) != appspec.ValueText(o), !inOver && appspec.ValueText(v) != appspec.ValueText(u), !inOver && !inUnder:
			t.Fatalf("%s is %s", k, appspec.ValueText(v))
		}
	}
	for _, m := range []map[string]any{under, over} {
		for k := range m {
			if _, ok := merged[k]; !ok {
				t.Fatalf("%s is lost", k)
			}
		}
	}
}

func changesText(changes []appspec.Change) string {
	var parts []string
	for _, c := range changes {
		parts = append(parts, fmt.Sprintf("%s: %s → %s (%s)", c.Path, c.Old, c.New, c.Disruption))
	}
	return strings.Join(parts, "; ")
}
