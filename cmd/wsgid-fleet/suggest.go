package main

import (
	"fmt"

	"github.com/agext/levenshtein"
)

// didYouMean is `; did you mean "blog"?` where a known name is near, else
// nothing.
func didYouMean(given string, known []string) string {
	best, bestDistance := "", 3
	for _, name := range known {
		if d := levenshtein.Distance(given, name, nil); d < bestDistance && d < len(name) {
			best, bestDistance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
