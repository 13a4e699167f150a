package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	in := strings.ReplaceAll(`{"Action":"output","Package":"m/a","Test":"TestA","Output":"    a_test.go:9: only root can mount\n"}
{"Action":"skip","Package":"m/a","Test":"TestA"}
{"Action":"output","Package":"m/a","Test":"TestB","Output":"    b_test.go:3: it is wrong\n"}
{"Action":"fail","Package":"m/a","Test":"TestB"}
{"Action":"output","Package":"m/a","Test":"TestC","Output":"    c_test.go:3: noise\n"}
{"Action":"pass","Package":"m/a","Test":"TestC"}
{"Action":"output","Package":"m/a","Output":"FAIL\tm/a\t1s\n"}
{"Action":"output","Package":"m/b","Test":"TestD","Output":"    harness.go:77: needs mongrel2: not found\n"}
{"Action":"skip","Package":"m/b","Test":"TestD"}
`, "\t", `\t`)
	var out strings.Builder
	skipped := report(&out, strings.NewReader(in))
	if got, want := out.String(), "    b_test.go:3: it is wrong\nFAIL\tm/a\t1s\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	want := "not run: 2: b.TestD (needs mongrel2: not found); a.TestA (only root can mount)\n"
	if got := summary(skipped); got != want {
		t.Errorf("summary %q, want %q", got, want)
	}
	if got := summary(nil); got != "" {
		t.Errorf("summary of nothing: %q", got)
	}
}

// TestMakeHasWhatItsTargetsNeed: each target of the Makefile that another one names is there.
func TestMakeHasWhatItsTargetsNeed(t *testing.T) {
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile(`(?m)^([a-z][a-z -]*):([^=#\n]*)`).FindAllStringSubmatch(string(text), -1)
	there := map[string]bool{}
	for _, r := range rules {
		for name := range strings.FieldsSeq(r[1]) {
			there[name] = true
		}
	}
	if !there["test"] || !there["cluster"] {
		t.Fatalf("it has %v", there)
	}
	word := regexp.MustCompile(`^[a-z-]+$`)
	for _, r := range rules {
		for need := range strings.FieldsSeq(r[2]) {
			if word.MatchString(need) && !there[need] {
				t.Errorf("%s needs %s, which no rule makes", r[1], need)
			}
		}
	}
}
