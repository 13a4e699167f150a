package systemd

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
)

// Without descriptors nothing can be found out about a process. That is not the
// answer that it is in its scope.
func TestScopesWithoutDescriptors(t *testing.T) {
	// No wsgid, nor a child of one, as this test is.
	_, pid := fleettest.Background(t, "sleep 600 & echo $!; wait")
	var group, members, outer error
	fleettest.WithoutDescriptors(t, func() {
		_, group = controlGroup(pid)
		_, members = family(pid)
		_, outer = outside("wsgid-blog.scope", pid)
	})
	for what, err := range map[string]error{
		"its control group": group, "its descendants": members, "those outside a scope": outer,
	} {
		if !errors.Is(err, unix.EMFILE) {
			t.Errorf("%s: %v, want that there are no descriptors", what, err)
		}
	}
}
