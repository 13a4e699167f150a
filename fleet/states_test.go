package fleet

import (
	"slices"
	"testing"
)

// Each list of states has all of them: one that is left out would be counted nowhere, or
// could not be asked for. The worst come as the line of the service manager ranks them.
func TestStates(t *testing.T) {
	t.Parallel()
	all, worst := States(), StatesWorstFirst()
	for _, list := range [][]string{all, worst} {
		sorted := slices.Sorted(slices.Values(list))
		if !slices.Equal(sorted, slices.Sorted(slices.Values(all))) || len(slices.Compact(sorted)) != len(list) {
			t.Errorf("%v and %v are not the same states, each once", all, worst)
		}
	}
	if !slices.IsSortedFunc(worst, func(a, b string) int { return trouble(b) - trouble(a) }) {
		t.Errorf("%v is not the worst first", worst)
	}
}
