package shellwords_test

import (
	"slices"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		"":                             nil,
		"  gunicorn\t-w 4 ":            {"gunicorn", "-w", "4"},
		`a "b c" 'd "e' f\ g`:          {"a", "b c", `d "e`, "f g"},
		`x"y z"'' '' ""`:               {"xy z", "", ""},
		`'a\b' "a\"b" \`:               {`a\b`, `a"b`, `\`},
		"env $HOME && b\nc 'not ended": {"env", "$HOME", "&&", "b", "c", "not ended"},
	} {
		if got := shellwords.Split(line); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
