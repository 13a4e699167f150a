package systemd

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnitWords(t *testing.T) {
	env := map[string]string{"V": "a b", "E": ""}
	for text, want := range map[string][]string{
		`x $V`:          {"x", "a", "b"},
		`x ${V}`:        {"x", "a b"},
		`x "$V"`:        {"x", "$V"},
		`x a"b c"`:      {"x", `a"b`, `c"`},
		`x "b c" 'd e'`: {"x", "b c", "d e"},
		`x $$V ${E}y`:   {"x", "$V", "y"},
		`x $E z`:        {"x", "z"},
	} {
		if diff := cmp.Diff(want, unitWords(text, env)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}
