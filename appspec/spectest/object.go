// Package spectest draws values for the properties that tests of specs hold.
package spectest

import (
	"encoding/json"
	"fmt"

	"pgregory.net/rapid"
)

// Object draws what django.overrides can hold.
func Object(depth int) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		m := make(map[string]any)
		for _, k := range rapid.SliceOfN(rapid.SampledFrom([]string{"A", "B", "C d", "E.f"}), 0, 4).Draw(t, "keys") {
			m[k] = value(depth).Draw(t, k)
		}
		return m
	})
}

func value(depth int) *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.IntRange(-3, 3), func(n int) any { return json.Number(fmt.Sprint(n)) }),
		rapid.Map(rapid.SampledFrom([]string{"", "x", "${y}", "\"\\\n"}), func(s string) any { return s }),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf, leaf, rapid.Map(Object(depth-1), func(m map[string]any) any { return m }),
		rapid.Map(rapid.SliceOfN(leaf, 0, 2), func(l []any) any {
			if l == nil {
				return []any{}
			}
			return l
		}))
}
