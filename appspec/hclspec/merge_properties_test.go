package hclspec

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// TestMergeProperties holds the rules for maps that defaults and app have: the app's keys
// win, the others stay, neither side is changed.
func TestMergeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		under, over := anyObject(2).Draw(t, "under"), anyObject(2).Draw(t, "over")
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

// anyObject draws what overrides can hold.
func anyObject(depth int) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		m := make(map[string]any)
		for _, k := range rapid.SliceOfN(rapid.SampledFrom([]string{"A", "B", "C d", "E.f"}), 0, 4).Draw(t, "keys") {
			m[k] = anyValue(depth).Draw(t, k)
		}
		return m
	})
}

func anyValue(depth int) *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.IntRange(-3, 3), func(n int) any { return json.Number(fmt.Sprint(n)) }),
		rapid.Map(rapid.SampledFrom([]string{"", "x", "${y}", "\"\\\n"}), func(s string) any { return s }),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf, leaf, rapid.Map(anyObject(depth-1), func(m map[string]any) any { return m }),
		rapid.Map(rapid.SliceOfN(leaf, 0, 2), func(l []any) any {
			if l == nil {
				return []any{}
			}
			return l
		}))
}
