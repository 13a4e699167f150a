package fleet

import (
	"fmt"
	"sort"
)

// unknownApps names those that nobody knows, with a near name where there is one.
func unknownApps(dir, verb string, asked, all []string) error {
	for _, a := range asked {
		if i := sort.SearchStrings(all, a); i < len(all) && all[i] == a {
			continue
		}
		hint := ""
		if n := nearest(a, all); n != "" {
			hint = fmt.Sprintf("; did you mean %s?", n)
		}
		return &UnknownAppError{text: fmt.Sprintf("cannot %s app %s: no spec in %s names it%s", verb, a, dir, hint)}
	}
	return nil
}

// UnknownAppError tells that a command names an app that does not exist.
type UnknownAppError struct{ text string }

func (e *UnknownAppError) Error() string { return e.text }

// nearest finds the name within two slips of the keyboard.
func nearest(name string, all []string) string {
	best, found := 3, ""
	for _, a := range all {
		if d := slips(name, a); d < best {
			best, found = d, a
		}
	}
	return found
}

// slips counts the single-letter edits between two words (Levenshtein).
func slips(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, diag+1, row[j]+1)
		}
	}
	return row[len(b)]
}
