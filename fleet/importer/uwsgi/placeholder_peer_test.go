package uwsgi

import (
	"regexp"
	"slices"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// Each option of the real uWSGI that is one word is known, so that a placeholder of its name
// is no placeholder alone.
func TestWordsThatAreOptions(t *testing.T) {
	out := peertest.RunPeer(t, t.TempDir(), nil, peertest.Need(t, uwsgiProgram), "--help")
	found := 0
	for _, m := range regexp.MustCompile(`--([a-z0-9]{2,})\b(?:[^-a-z0-9]|$)`).FindAllStringSubmatch(out, -1) {
		name := m[1]
		found++
		_, number := numbers[name]
		if !slices.Contains(quiet, name) && !taken[name] && !number && otherNames[name] == "" && told[name] == "" && lostWhy[name] == "" && !asPlaceholders[name] {
			t.Errorf("%s is an option of uWSGI's, and in no table", name)
		}
	}
	if found < 100 {
		t.Errorf("uWSGI told %d such options", found)
	}
}
