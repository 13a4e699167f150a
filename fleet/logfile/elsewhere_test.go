package logfile

import (
	"strings"
	"testing"
)

func TestElsewhere(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"": "", "file": "",
		"journal": `log.target is "journal": see journalctl WSGID_APP=blog`,
		"stderr":  `log.target is "stderr": it goes where the daemon's output goes; `,
	} {
		if got := Elsewhere(target, "blog"); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%q: %q", target, got)
		}
	}
}
