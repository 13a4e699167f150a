package wsgi

import "testing"

func TestFailureDetails(t *testing.T) {
	for want, f := range map[string]Failure{
		"":                                  {Reason: "x"},
		"Traceback:\n  File \"a\"\nboom":    {File: "a", Line: 1, Traceback: "Traceback:\n  File \"a\"\nboom\n"},
		"  File \"/a.py\", line 3\ndo this": {File: "/a.py", Line: 3, Hint: "do this"},
		"  File \"/a.py\"":                  {File: "/a.py"},
		"do this":                           {Hint: "do this"},
	} {
		if got := f.Details(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
