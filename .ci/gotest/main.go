// Command gotest runs go test and prints what it prints; at the end one line
// says which tests were left out, and why: a run that tests less than another
// machine's does not look the same.
//
//	go run ./.ci/gotest ARGUMENTS OF GO TEST
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// event is a line of go test -json.
type event struct {
	Action, Package, Test, Output string
}

func main() {
	cmd := exec.Command(cmp.Or(os.Getenv("GO"), "go"), append([]string{"test", "-json"}, os.Args[1:]...)...) //nolint:noctx // ends with us
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest: cannot run go test:", err)
		os.Exit(1)
	}
	skipped := report(os.Stdout, out)
	err = cmd.Wait()
	fmt.Print(summary(skipped))
	if err != nil {
		os.Exit(1)
	}
}

// report copies what go test says of packages and of tests that fail, and
// returns the tests that were skipped, by reason.
func report(w io.Writer, r io.Reader) map[string][]string {
	skipped := map[string][]string{}
	output := map[string][]string{} // of each test that has not ended
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			take(w, line, output, skipped)
		}
		if err != nil {
			break
		}
	}
	for _, name := range slices.Sorted(maps.Keys(output)) { // of a binary that died
		fmt.Fprint(w, strings.Join(output[name], ""))
	}
	return skipped
}

func take(w io.Writer, line []byte, output, skipped map[string][]string) {
	var e event
	if json.Unmarshal(line, &e) != nil || e.Action == "" {
		fmt.Fprintf(w, "%s", line) // of the compiler
		return
	}
	name := e.Package + " " + e.Test
	switch {
	case e.Test == "" || e.Action == "build-output":
		if e.Output != "PASS\n" && !strings.HasPrefix(e.Output, "testing: warning: no tests to run") {
			fmt.Fprint(w, e.Output)
		}
	case e.Action == "output":
		output[name] = append(output[name], e.Output)
	case e.Action == "fail":
		fmt.Fprint(w, strings.Join(output[name], ""))
		delete(output, name)
	case e.Action == "skip":
		reason := reason(output[name])
		skipped[reason] = append(skipped[reason], path.Base(e.Package)+"."+e.Test)
		delete(output, name)
	case e.Action == "pass":
		delete(output, name)
	}
}

// reason is what t.Skip was given: "    file_test.go:12: reason".
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		if _, text, ok := strings.Cut(line, "_test.go:"); ok || strings.HasPrefix(line, "    ") {
			if !ok {
				text = line
			}
			if _, after, ok := strings.Cut(text, ": "); ok {
				return strings.TrimSpace(after)
			}
		}
	}
	return "no reason given"
}

// summary is the one line; empty where every test ran.
func summary(skipped map[string][]string) string {
	total := 0
	var parts []string
	reasons := slices.SortedFunc(maps.Keys(skipped), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(skipped[b]), len(skipped[a])), cmp.Compare(a, b))
	})
	for _, reason := range reasons {
		tests := skipped[reason]
		total += len(tests)
		names := fmt.Sprintf("%d tests", len(tests))
		if len(tests) <= 3 {
			names = strings.Join(tests, ", ")
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", names, reason))
	}
	if total == 0 {
		return ""
	}
	return fmt.Sprintf("not run: %d: %s\n", total, strings.Join(parts, "; "))
}
