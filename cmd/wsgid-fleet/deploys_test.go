package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
)

// A table has one line for each deploy: of a reason with several, as of git's or a
// traceback, the first; deploys show has them all.
func TestReasonsInTheTableOfDeploys(t *testing.T) {
	var out bytes.Buffer
	c := newCLI()
	c.out = &out
	c.writeDeploys([]*deploy.Entry{
		{ID: "2", App: "blog", Began: time.Unix(2, 0), Result: deploy.ResultFailed, Reason: "fetch: cannot fetch x: the server rejects our key\ngit: exit status 128; it printed:\n  Permission denied"},
		{ID: "1", App: "blog", Began: time.Unix(1, 0), Result: deploy.ResultFailed, Reason: "unpack: no folder src"},
	})
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[1], "  fetch: cannot fetch x: the server rejects our key …") || !strings.HasSuffix(lines[2], "  unpack: no folder src") {
		t.Errorf("the table is\n%s", out.String())
	}
}
