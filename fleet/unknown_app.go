package fleet

import (
	"fmt"
	"sort"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// unknownApps names those that nobody knows, with a near name where there is one.
func unknownApps(dir, verb string, asked, all []string) error {
	for _, a := range asked {
		if i := sort.SearchStrings(all, a); i < len(all) && all[i] == a {
			continue
		}
		hint := ""
		if n := appspec.Nearest(a, all); n != "" {
			hint = fmt.Sprintf("; did you mean %s?", n)
		}
		return &UnknownAppError{text: fmt.Sprintf("cannot %s app %s: no spec in %s names it%s", verb, a, dir, hint)}
	}
	return nil
}

// UnknownAppError tells that a command names an app that does not exist.
type UnknownAppError struct{ text string }

func (e *UnknownAppError) Error() string { return e.text }
