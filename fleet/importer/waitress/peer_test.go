package waitress

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// Every setting that waitress knows is carried over, named or known to need nothing, and
// those without a value are known as such.
func TestWaitressSettings(t *testing.T) {
	python := peertest.Need(t, "/usr/bin/python3")
	const ask = "import json\nfrom waitress.adjustments import Adjustments, asbool\nprint(json.dumps({name: cast is asbool for name, cast in Adjustments._params}))"
	var theirs map[string]bool
	if err := json.Unmarshal([]byte(peertest.RunPeer(t, t.TempDir(), nil, python, "-c", ask)), &theirs); err != nil {
		t.Fatal(err)
	}
	ours := map[string]bool{}
	for name := range others {
		ours[name] = false
	}
	maps.Copy(ours, switches)
	delete(ours, "app") // of waitress 3, of its command line alone
	if d := cmp.Diff(theirs, ours); d != "" {
		t.Errorf("waitress knows, and we: %s", d)
	}
}
