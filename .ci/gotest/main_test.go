package main

import (
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
