package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// operations is the page on which the service begins.
const operations = "../../examples/systemd/README.md"

// typed is a command that the page shows, and what it prints.
type typed struct{ command, output string }

// shownToRoot are the commands of the page's console blocks, which root types.
func shownToRoot(t *testing.T) (all []typed) {
	t.Helper()
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```console\n(# .*?)```").FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			if command, ok := strings.CutPrefix(line, "# "); ok {
				all = append(all, typed{command: strings.TrimSpace(command)})
			} else {
				all[len(all)-1].output += line
			}
		}
	}
	if len(all) != 5 || !strings.HasPrefix(all[0].command, "apt install ./") {
		t.Fatalf("%s has these commands for root: %q", operations, all)
	}
	return all
}

// newcomer types what the page shows.
type newcomer struct{ m *machine }

// types types a command and compares what it prints, but for numbers and the width of
// columns. What only looks is typed again until it sees what the page shows: the app takes
// a moment to start. Commands without an output print what they like.
func (n newcomer) types(c typed) {
	n.m.t.Helper()
	want := regexp.QuoteMeta(c.output)
	for _, r := range [][2]string{{`[0-9]+`, `[0-9]+`}, {` {2,}`, ` +`}} {
		want = regexp.MustCompile(r[0]).ReplaceAllLiteralString(want, r[1])
	}
	same := regexp.MustCompile("^" + want + "$")
	try := func() error {
		out, err := n.m.try("sh", "-c", "cd /root && DEBIAN_FRONTEND=noninteractive "+c.command)
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", c.command, err, out)
		}
		if c.output != "" && !same.MatchString(out) {
			return fmt.Errorf("%s prints\n%snot\n%s", c.command, out, c.output)
		}
		return nil
	}
	if verb := strings.Fields(c.command); verb[0] == "curl" || verb[len(verb)-1] == "status" {
		n.m.until("the page's "+c.command, time.Minute, try)
	} else if err := try(); err != nil {
		n.m.t.Fatal(err)
	}
}
