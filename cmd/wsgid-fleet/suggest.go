package main

import (
	"fmt"

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
