package applog

import (
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// The last line is one that a message may repeat: whole where it is short, and of no
// secret even a part.
func TestLastLine(t *testing.T) {
	b := newLogBed(t, func(s *appspec.Spec) {
		s.Env = map[string]string{"KEY": strings.Repeat("tr0ub4dor", 1000)}
		s.MarkSensitive("env.KEY", true)
	})
	b.open()
	key := strings.Repeat("tr0ub4dor", 1000)
	for name, c := range map[string]struct{ lines, want string }{
		"none":               {"", ""},
		"blank":              {"  \n\t\n", ""},
		"before blank lines": {"usage: report\n  no\ttable \n\n  \n", "no table"},
		"control":            {"\x1b[2Jgone\u202e", `\x1b[2Jgone\u202e`},
		"long":               {strings.Repeat("é", 200), strings.Repeat("é", 120) + "…"},
		"a secret":           {"no " + key, "no (sensitive)"},
		"a long secret":      {strings.Repeat("-", 100) + key + "!", strings.Repeat("-", 100) + "(sensitive)!"},
	} {
		var k lastLine
		for line := range strings.SplitSeq(c.lines, "\n") {
			k.add(b.log, []byte(line))
		}
		if got := k.text(b.log); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
