package stem

import (
	"slices"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// What keeps an app's workers from being forked is told.
func TestForkable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*appspec.Spec)
		env    []string
		locale []string
		why    string
	}{
		"plain":      {env: []string{"WORD=x", "TZ=UTC"}},
		"locale":     {env: []string{"WORD=x", "LC_ALL=C", "LANG=de_DE"}, locale: []string{"LANG=de_DE", "LC_ALL=C"}},
		"virtualenv": {change: func(s *appspec.Spec) { s.Virtualenv = "/srv/venv" }, why: "virtualenv has a Python of its own"},
		"chroot":     {change: func(s *appspec.Spec) { s.Chroot = true }, why: "with chroot it has a Python of its own"},
		"preload":    {change: func(s *appspec.Spec) { s.Workers.Preload = true }, why: "with workers.preload its workers share more, with each other"},
		"env":        {env: []string{"WORD=x", "PYTHONHASHSEED=0"}, why: "env has PYTHONHASHSEED, which is read before Python runs anything"},
	} {
		spec := appspec.Default("demo", "/srv/demo")
		if c.change != nil {
			c.change(spec)
		}
		python, locale, why := Forkable(spec, c.env)
		if why != c.why || (python == "") != (why != "") || !slices.Equal(locale, c.locale) {
			t.Errorf("%s: %q %q %q", name, python, locale, why)
		}
	}
}
