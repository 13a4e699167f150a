package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestAGateAndItsStateDirectoryIsDeleted: sites stay reachable, and the fleet comes to
// rest with a gate.
func TestAGateAndItsStateDirectoryIsDeleted(t *testing.T) {
	who := someone(t)
	b, addr := gated(t, who, "")
	d := b.run()
	b.awaitGate(0)
	wantSite(t, addr, "alpha.test", "alpha")
	l := &Load{App: "alpha", Addr: addr, Host: "alpha.test", Connections: 2, KeepAlive: true}
	l.Start()
	// The daemon makes things anew meanwhile: what it makes may be in the way of the removal.
	eventually(t, patience, "the state directory to be deleted", func() error {
		entries, err := os.ReadDir(b.state)
		for _, e := range entries {
			if e.Name() != "data" {
				err = errors.Join(err, os.RemoveAll(filepath.Join(b.state, e.Name())))
			}
		}
		return err
	})
	// Until it has made them anew, commands find no daemon.
	b.awaitDaemon(d)
	b.awaitGate(0)
	for _, site := range sites {
		wantSite(t, addr, site+".test", site)
	}
	b.ok("restart", "_gate")
	for _, site := range sites {
		wantSite(t, addr, site+".test", site)
	}
	if counts := l.Stop(); counts.Good == 0 || len(counts.Lost) > 0 {
		t.Errorf("%v: %v", counts, counts.Lost)
	}
}
