package deploy

import (
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/source"
)

func TestUnpackedNote(t *testing.T) {
	for want, u := range map[string]source.Unpacked{
		"1 file": {Files: 1},
		"2 files, without the submodules a, b (submodules = true brings them)": {Files: 2, Skipped: []string{"a", "b"}},
		`12 files, 2 of them encrypted by git-crypt ("conf/secret.py"), whose key no deploy has: bring what is in them as secrets of the spec, env = { NAME = file("secrets/NAME") }`: {
			Files: 12, Encrypted: []string{"conf/secret.py", "x"}},
	} {
		if got := unpackedNote(u); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
