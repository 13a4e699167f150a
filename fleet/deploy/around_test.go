package deploy

import (
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// A stage that asks git for a version is not told that of a repository in which the app's
// folder lies (findings/pbr-takes-the-version-of-the-repository-around.sh).
func TestStageIsInNoRepositoryAround(t *testing.T) {
	b := newBench(t)
	b.spec.Deploy.Stages = []appspec.Stage{{Name: "version", When: "before", Timeout: appspec.Duration(time.Minute),
		Command: []string{"/bin/sh", "-c", "git init -q ../.. && git -C ../.. rev-parse --git-dir && { git rev-parse --git-dir || echo none; }"}}}
	if got := outputs(b.deploy()); !strings.Contains(got, "version: .git\n") || !strings.HasSuffix(strings.TrimSpace(got), "none") && !strings.Contains(got, "\nnone\n") {
		t.Errorf("the stages print %s", got)
	}
}
