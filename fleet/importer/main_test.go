package importer

import (
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// importOne imports a path that holds one app.
func importOne(t *testing.T, o facts.Options, path string) *Imported {
	t.Helper()
	all, err := Import(o, path)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Fatalf("%d apps", len(all))
	}
	return all[0]
}

// holds checks what a text holds, whatever its blanks, and what it does not (with ! before).
func holds(t *testing.T, text string, want ...string) {
	t.Helper()
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	flat := squeeze(text)
	for _, w := range want {
		w = squeeze(w)
		if not, ok := strings.CutPrefix(w, "!"); ok {
			if strings.Contains(flat, not) {
				t.Errorf("it holds %q:\n%s", not, text)
			}
		} else if !strings.Contains(flat, w) {
			t.Errorf("it does not hold %q:\n%s", w, text)
		}
	}
}
