package hclspec

import (
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// withoutInherited takes away the deploy and the database of an app that has no
// such block of its own: those of defaults say how, not that.
func withoutInherited(s *appspec.Spec) {
	drop := func(block string) bool {
		if _, own := s.Ranges[block]; own {
			return false
		}
		s.MarkSensitive(block, false)
		for p := range s.Ranges {
			if strings.HasPrefix(p, block+".") {
				delete(s.Ranges, p)
			}
		}
		return true
	}
	if s.Deploy != nil && drop(explain.DeployBlock) {
		s.Deploy = nil
	}
	if s.Database != nil && drop(explain.DatabaseBlock) {
		s.Database = nil
	}
}
