package command

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A line that a shell is needed for keeps all of it; what starts one program does without.
func TestWhole(t *testing.T) {
	for line, want := range map[string][]string{
		"python manage.py migrate":      {"python", "manage.py", "migrate"},
		"python manage.py 'a b' $QUEUE": {"python", "manage.py", "a b", "mail"},
		"python a.py && python b.py":    {"sh", "-c", "python a.py && python b.py"},
		"python a.py > log":             {"sh", "-c", "python a.py > log"},
		"DEBUG=1 python a.py":           {"sh", "-c", "DEBUG=1 python a.py"},
		"if true; then python a.py; fi": {"sh", "-c", "if true; then python a.py; fi"},
		"python a.py $NONE":             {"sh", "-c", "python a.py $NONE"},
		"cd src; flask db upgrade":      {"sh", "-c", "cd src; flask db upgrade"},
		"":                              {"sh", "-c", ""},
	} {
		if diff := cmp.Diff(want, Whole(line, map[string]string{"QUEUE": "mail"})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}
