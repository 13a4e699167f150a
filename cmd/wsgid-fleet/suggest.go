package main

import (
	"fmt"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// didYouMean is `; did you mean "blog"?` where a known name is near, else
// nothing.
func didYouMean(given string, known []string) string {
	best := appspec.Nearest(given, known)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// listedNames is how many names a message lists.
const listedNames = 8

// meantOf is didYouMean, and where no name is near it lists those that there are:
// whoever has misremembered a name must not have to look for a command that lists them.
func meantOf(given string, known []string) string {
	if near := didYouMean(given, known); near != "" {
		return near
	}
	switch n := len(known); {
	case n == 0:
		return "; there is none"
	case n == 1:
		return "; there is only " + known[0]
	case n <= listedNames:
		return "; there are " + strings.Join(known, ", ")
	default:
		return fmt.Sprintf("; there are %s and %d more", strings.Join(known[:listedNames], ", "), n-listedNames)
	}
}
