package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// TestPlanOfDeploy: nobody waits for a change that only a deploy carries out.
func TestPlanOfDeploy(t *testing.T) {
	before := appspec.Default("blog", "/srv/blog")
	before.Deploy = &appspec.Deploy{Repository: "file:///srv/git", Branch: "main"}
	after := appspec.Default("blog", "/srv/blog")
	after.Deploy = &appspec.Deploy{Repository: "file:///srv/git", Branch: "develop"}
	var out bytes.Buffer
	writeChanges(&out, style{}, appspec.Diff(before, after))
	if got := strings.Join(strings.Fields(out.String()), " "); got != `~ deploy.branch "main" → "develop" takes effect at the next deploy` {
		t.Error(got)
	}
}
